"""Who is measured: our engine, and what it can be measured against."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from sdtui.bench.plan import Cell
from sdtui.bench.report import Measurement
from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import Speed
from sdtui.core.errors import BenchError, OutOfMemoryError
from sdtui.core.settings import Settings
from sdtui.engine.device import TORCH_DTYPES, Device
from sdtui.engine.generator import generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolve import resolve
from sdtui.engine.samplers import make_scheduler
from sdtui.engine.stages.load import load_pipeline
from sdtui.models import ModelDescription, weight_variant
from sdtui.requests.events import Event, Report, report_nothing
from sdtui.requests.record import GenerationRecord, Stage
from sdtui.requests.request import GenerationRequest

OnStep = Callable[[], None]
"""Called after every denoising step."""


class Watch:
    """Takes the time from when it is made, with all work of the device that was begun."""

    def __init__(self, device: Device) -> None:
        self._device = device
        device.synchronize()
        self._cpu = time.process_time()
        self._started = time.perf_counter()

    def sample(self) -> Measurement:
        """The seconds until now."""
        self._device.synchronize()
        return Measurement(
            seconds=time.perf_counter() - self._started,
            cpu_seconds=time.process_time() - self._cpu,
        )


@dataclass(frozen=True)
class ContenderResult:
    """One run's figures and its pictures."""

    sample: Measurement
    images: list[Image.Image]
    step_seconds: float = 0.0
    """Of the last step, without what only the first one costs."""
    record: GenerationRecord | None = None


class Contender(Protocol):
    """Makes the pictures of a cell and takes the time."""

    def make(self, cell: Cell, on_step: OnStep) -> ContenderResult:
        """One run. The model is loaded in the first, which therefore doesn't count."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


class EngineContender:
    """sdtui's engine, without a retry: a run that needs a leaner way is no figure. Every run
    encodes its prompt anew, as a first picture does."""

    def __init__(self, settings: Settings, request: GenerationRequest) -> None:
        """`request` holds all that cells leave open, and a seed."""
        self.engine = StableDiffusionEngine(settings)
        self._request = request

    def load(self, report: Report = report_nothing) -> LoadedModel:
        """Have the model ready."""
        how = self._request.execution
        return self.engine.load(
            self._request.model, how.dtype, how.memory_mode, how.speed, report=report
        )

    def request_for(self, cell: Cell) -> GenerationRequest:
        """What the engine is asked for."""
        return self._request.changed(
            prompt=cell.prompt,
            num_inference_steps=cell.num_inference_steps,
            width=cell.width,
            height=cell.height,
            num_images_per_prompt=cell.count,
        )

    def make(self, cell: Cell, on_step: OnStep) -> ContenderResult:
        """See Contender."""
        self.load().encoder.forget()
        return self._make(self.request_for(cell), on_step)

    def _make(self, request: GenerationRequest, on_step: OnStep) -> ContenderResult:
        steps: list[float] = []

        def report(event: Event) -> None:
            if event.kind == "step":
                steps.append(event.seconds)
                on_step()

        watch = Watch(self.engine.device)
        result = generate(self.engine, request, report=report)
        sample = watch.sample()
        record = result.record
        stages = {stage: spent for stage, spent in record.timings.items() if stage != Stage.LOAD}
        denoise = stages.get(Stage.DENOISE, 0.0)
        told = {
            "stages": stages,
            "it_per_second": len(steps) / denoise if denoise else None,
            "peak": record.memory.peak if record.memory else None,
            "batch_size": record.settings.batch_size if record.settings else None,
        }
        sample = sample.model_copy(update=told)
        return ContenderResult(sample, result.images, steps[-1] if steps else 0.0, record)

    def close(self) -> None:
        """See Contender."""
        self.engine.cleanup()


class OneByOne(EngineContender):
    """The same engine, asked for each picture alone."""

    def make(self, cell: Cell, on_step: OnStep) -> ContenderResult:
        """See Contender."""
        self.load().encoder.forget()
        request = self.request_for(replace(cell, count=1))
        images: list[Image.Image] = []
        samples: list[Measurement] = []
        for seed in self.request_for(cell).seeds():
            made = self._make(request.changed(seed=seed), on_step)
            samples.append(made.sample)
            images += made.images
        together = Measurement(
            seconds=sum(sample.seconds for sample in samples),
            cpu_seconds=sum(sample.cpu_seconds for sample in samples),
            batch_size=1,
        )
        return ContenderResult(together, images)


class PlainDiffusers:
    """diffusers' own pipeline, called as its documentation does: a prompt in, pictures out."""

    def __init__(self, engine: EngineContender, *, defaults: bool = False) -> None:
        """`engine` tells model, settings and device. `defaults` = the pipeline is in fp32, as
        diffusers loads it when it is told nothing, else in the engine's number format."""
        self._engine = engine
        loaded = engine.load()
        description = loaded.description
        weights = sum(description.parameters.values()) * 4
        if weights > loaded.device.memory().free:
            raise BenchError(
                "the model doesn't fit into memory twice, once for each contender",
                'Measure sdtui alone, and compare two benchmarks with "--compare"',
            )
        # Told nothing at all, parts whose files are fp16 would not go together with the others.
        dtype = torch.float32 if defaults else TORCH_DTYPES[loaded.dtype]
        self._pipeline: Any = _load_plainly(description, dtype)
        self._own_scheduler = self._pipeline.scheduler
        self._pipeline.to(loaded.device.torch)
        self._pipeline.set_progress_bar_config(disable=True)

    def make(self, cell: Cell, on_step: OnStep) -> ContenderResult:
        """See Contender."""
        request = self._engine.request_for(cell)
        settled = resolve(self._engine.load(), request)
        self._pipeline.scheduler = make_scheduler(self._own_scheduler, settled.sampler)
        device = self._engine.engine.device
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds()]
        arguments = {
            "prompt": cell.prompt,
            "width": cell.width,
            "height": cell.height,
            "num_inference_steps": cell.num_inference_steps,
            "guidance_scale": settled.settings.guidance_scale,
            "num_images_per_prompt": cell.count,
            "generator": generators,
        }
        failure = None
        watch = Watch(device)
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
        return ContenderResult(watch.sample(), images)

    def close(self) -> None:
        """See Contender."""
        self._pipeline = None
        self._engine.engine.device.release()


def _denoiser_of(description: ModelDescription) -> str:
    return "unet" if "unet" in description.components else "transformer"


def _load_plainly(description: ModelDescription, dtype: torch.dtype) -> Any:
    """A pipeline as diffusers itself loads it; single files with the configs that sdtui brings,
    since diffusers would fetch them. The safety checker, which sdtui has none of, is left out."""
    if description.single_file:
        pipeline, _ = load_pipeline(description, dtype, lambda *_: None, Cancellation())
        return pipeline
    options: dict[str, Any] = {}
    if "safety_checker" in description.components:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    return DiffusionPipeline.from_pretrained(
        description.path,
        dtype=dtype,
        local_files_only=True,
        use_safetensors=True,
        variant=weight_variant(description.path / _denoiser_of(description)),
        **options,
    )


def make_opponent(
    name: str, settings: Settings, request: GenerationRequest, engine: EngineContender
) -> Contender:
    """The contender of a name in `plan.OPPONENTS`. Raises BenchError or what loading raises."""
    if name == "quality":
        return EngineContender(settings, request.changed(speed=Speed.QUALITY))
    if name == "one-by-one":
        return OneByOne(settings, request)
    return PlainDiffusers(engine, defaults=name == "diffusers-defaults")
