"""The contenders of a benchmark: sdtui's engine and what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from sdtui.bench.plan import Cell
from sdtui.bench.report import Measurement
from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, Speed
from sdtui.core.errors import BenchError, OutOfMemoryError
from sdtui.core.settings import Settings
from sdtui.engine.device import TORCH_DTYPES, Device
from sdtui.engine.features import features_for
from sdtui.engine.generator import generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolve import resolve
from sdtui.engine.samplers import make_scheduler
from sdtui.engine.stages.load import load_pipeline
from sdtui.models import ModelDescription, begun_smaller, weight_variant
from sdtui.requests.events import Event, Report, report_nothing
from sdtui.requests.record import GenerationRecord, Stage
from sdtui.requests.request import GenerationRequest

OnStepDone = Callable[[], None]
"""Called after every denoising step."""


class Stopwatch:
    """Measures the time since its creation, including work queued on the device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        device.synchronize()
        self._cpu = time.process_time()
        self._started = time.perf_counter()

    def read(self) -> Measurement:
        """The seconds until now, once the device has finished its work."""
        self._device.synchronize()
        return Measurement(
            seconds=time.perf_counter() - self._started,
            cpu_seconds=time.process_time() - self._cpu,
        )


@dataclass(frozen=True)
class ContenderResult:
    """The measurement and the pictures of one run."""

    measurement: Measurement
    images: list[Image.Image]
    step_seconds: float = 0.0
    """Seconds of the last step, which has no one-time costs."""
    record: GenerationRecord | None = None


class Contender(Protocol):
    """Generates and times the pictures of a cell."""

    def generate(self, cell: Cell, on_step: OnStepDone) -> ContenderResult:
        """Run a cell. The first run loads the model, so it isn't counted."""
        ...

    def close(self) -> None:
        """Free the memory."""
        ...


class EngineContender:
    """sdtui's engine without retries, which would falsify the measurement.

    Every run encodes its prompt again, as for a first picture.
    """

    def __init__(self, settings: Settings, request: GenerationRequest) -> None:
        """`request` has a seed and the values that cells leave open."""
        self.engine = StableDiffusionEngine(settings)
        self._request = request

    def load(self, report: Report = report_nothing) -> LoadedModel:
        """Load the model unless it is loaded."""
        execution = self._request.execution
        return self.engine.load(
            self._request.model,
            execution.dtype,
            execution.memory_mode,
            execution.speed,
            execution.quantize,
            execution.runtime,
            report=report,
        )

    def request_for(self, cell: Cell) -> GenerationRequest:
        """The request for a cell."""
        return self._request.changed(**asdict(cell))

    def generate(self, cell: Cell, on_step: OnStepDone) -> ContenderResult:
        self._forget_embeddings()
        return self._generate(self.request_for(cell), on_step)

    def _forget_embeddings(self) -> None:
        if self.engine.loaded is not None:
            self.engine.loaded.embeddings.clear()

    def _generate(self, request: GenerationRequest, on_step: OnStepDone) -> ContenderResult:
        steps: list[float] = []

        def report(event: Event) -> None:
            if event.kind == "step":
                steps.append(event.seconds)
                on_step()

        watch = Stopwatch(self.engine.device)
        result = generate(self.engine, request, report=report)
        measurement = watch.read()
        record = result.record
        stages = {
            stage: seconds for stage, seconds in record.timings.items() if stage != Stage.LOAD
        }
        denoise = stages.get(Stage.DENOISE, 0.0)
        details = {
            "stages": stages,
            "it_per_second": len(steps) / denoise if denoise else None,
            "peak": record.memory.peak if record.memory else None,
            "batch_size": record.settings.batch_size if record.settings else None,
        }
        measurement = measurement.model_copy(update=details)
        return ContenderResult(measurement, result.images, steps[-1] if steps else 0.0, record)

    def close(self) -> None:
        self.engine.cleanup()


class OneByOne(EngineContender):
    """The same engine, generating each picture on its own."""

    def generate(self, cell: Cell, on_step: OnStepDone) -> ContenderResult:
        self._forget_embeddings()
        request = self.request_for(replace(cell, num_images_per_prompt=1))
        images: list[Image.Image] = []
        measurements: list[Measurement] = []
        for seed in self.request_for(cell).seeds():
            result = self._generate(request.changed(seed=seed), on_step)
            measurements.append(result.measurement)
            images += result.images
        total = Measurement(
            seconds=sum(each.seconds for each in measurements),
            cpu_seconds=sum(each.cpu_seconds for each in measurements),
            batch_size=1,
        )
        return ContenderResult(total, images)


class PlainDiffusers:
    """A pipeline of diffusers, called as in its documentation."""

    def __init__(
        self, engine: EngineContender, request: GenerationRequest, *, defaults: bool = False
    ) -> None:
        """`engine` gives model, settings and device; `request` is the engine's.

        With `defaults` the pipeline is in fp32, the default of diffusers, else in the engine's
        dtype. Raises BenchError if the request uses a feature, which the plain call would leave
        out, or if the model doesn't fit into memory twice.
        """
        features = [
            each.name for each in features_for(Settings()) if each.open(request) is not None
        ]
        if features:
            raise _not_with(", ".join(features).replace("_", " "))
        self._engine = engine
        loaded = engine.load()
        description = loaded.description
        weights = sum(description.parameters.values()) * 4
        if weights > loaded.device.memory().free:
            raise BenchError(
                "the model doesn't fit into memory twice, once for each contender",
                'Measure sdtui alone, and compare two benchmarks with "--compare"',
            )
        # Without any dtype, components with fp16 files would not match the others.
        dtype = DType.FLOAT32 if defaults else loaded.dtype
        self._pipeline: Any = _load_plainly(description, dtype)
        self._original_scheduler = self._pipeline.scheduler
        self._pipeline.to(loaded.device.torch)
        self._pipeline.set_progress_bar_config(disable=True)

    def generate(self, cell: Cell, on_step: OnStepDone) -> ContenderResult:
        request = self._engine.request_for(cell)
        loaded = self._engine.load()
        if begun_smaller(loaded.description, request) is not request:
            raise _not_with(f"hires, through which {cell.width}×{cell.height} goes by itself")
        resolved = resolve(request, loaded)
        self._pipeline.scheduler = make_scheduler(self._original_scheduler, resolved.sampler)
        device = self._engine.engine.device
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds()]
        arguments: dict[str, Any] = {
            "prompt": cell.prompt,
            "width": cell.width,
            "height": cell.height,
            "num_inference_steps": cell.num_inference_steps,
            "guidance_scale": resolved.guidance_scale,
            "num_images_per_prompt": cell.num_images_per_prompt,
            "generator": generators,
        }
        if resolved.negative_prompt:
            arguments["negative_prompt"] = resolved.negative_prompt
        failure = None
        watch = Stopwatch(device)
        try:
            images: list[Image.Image] = self._pipeline(**arguments).images
        except OOM_CANDIDATES as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error).strip().split("\n")[0]
        if failure is not None:
            device.release()
            raise OutOfMemoryError(
                f"memory ran out in plain diffusers: {failure}",
                "Measure smaller sizes, or fewer pictures at once",
                stage=Stage.DENOISE,
            )
        return ContenderResult(watch.read(), images)

    def close(self) -> None:
        self._pipeline = None
        self._engine.engine.device.release()


def _not_with(what: str) -> BenchError:
    return BenchError(
        f"plain diffusers is not measured with {what}",
        'Measure sdtui alone, and compare two benchmarks with "--compare"',
    )


def _denoiser_of(description: ModelDescription) -> str:
    return "unet" if "unet" in description.components else "transformer"


def _load_plainly(description: ModelDescription, dtype: DType) -> Any:
    """Load a pipeline as diffusers does, without the safety checker, which sdtui hasn't either.

    Single files use sdtui's bundled configs, since diffusers would download them.
    """
    if description.single_file:
        pipeline, _ = load_pipeline(description, dtype, lambda *_: None, Cancellation())
        # The VAE too: diffusers converts it to fp32 when it decodes, if at all.
        return pipeline.to(TORCH_DTYPES[dtype])
    options: dict[str, Any] = {}
    if "safety_checker" in description.components:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    return DiffusionPipeline.from_pretrained(
        description.path,
        dtype=TORCH_DTYPES[dtype],
        local_files_only=True,
        use_safetensors=True,
        variant=weight_variant(description.path / _denoiser_of(description)),
        **options,
    )


def make_opponent(
    name: str, settings: Settings, request: GenerationRequest, engine: EngineContender
) -> Contender:
    """The contender with a name of `plan.OPPONENTS`. Raises BenchError or what loading raises."""
    if name == "quality":
        return EngineContender(settings, request.changed(speed=Speed.QUALITY))
    if name == "one-by-one":
        return OneByOne(settings, request)
    return PlainDiffusers(engine, request, defaults=name == "diffusers-defaults")
