"""StableDiffusionEngine: loads models and holds one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Quantize, Runtime, Speed
from sdtui.core.errors import UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.engine.device import (
    TORCH_DTYPES,
    Device,
    PeakMeter,
    choose_device,
    choose_dtype,
    free_main_memory,
)
from sdtui.engine.features import features_for
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.batching import weights_on
from sdtui.engine.memory.modes import apply_mode, can_change, modes_for, remove_hooks
from sdtui.engine.memory.parts import ModelParts
from sdtui.engine.openvino.choice import choose_runtime, copied_bytes
from sdtui.engine.prediction import guess_notice, known_description
from sdtui.engine.preview_colours import latent_to_rgb
from sdtui.engine.speed.presets import apply_speed
from sdtui.engine.stages.load import load_component, load_pipeline
from sdtui.engine.threads import ThreadCount
from sdtui.engine.upscaling.upscalers import Upscalers
from sdtui.models import (
    Estimate,
    ModelDescription,
    ModelSource,
    describe_model,
    download_model,
    fastest_mode,
    find_model,
    model_hash,
    native_estimate,
    token_counters,
)
from sdtui.requests.events import Downloading, Loaded, Loading, Report, report_nothing
from sdtui.requests.record import ModelRecord


@dataclass(frozen=True)
class _ModelSetup:
    """A model and how it is loaded."""

    source: ModelSource
    description: ModelDescription
    dtype: DType
    memory_mode: MemoryMode
    quantize: Quantize
    speed: Speed
    runtime: Runtime
    """Never AUTO."""
    features: ActiveFeatures

    def matches(self, loaded: LoadedModel) -> bool:
        """True if a loaded model has this setup, or differs only in a memory mode that can be
        switched."""
        return (
            (loaded.source.location, loaded.described, loaded.dtype, loaded.quantize)
            == (self.source.location, self.description, self.dtype, self.quantize)
            and (loaded.speed, loaded.runtime) == (self.speed, self.runtime)
            and loaded.load_key == self.features.load_key()
        ) and can_change(loaded.memory_mode, self.memory_mode)

    def load_part(self, name: str) -> Any:
        """Load one component into main memory."""
        dtype = TORCH_DTYPES[self.description.dtype_of(name, self.dtype)]
        return load_component(self.description, name, dtype, quantize=self.quantize)


class StableDiffusionEngine:
    """Loads models and keeps the last one in memory. One run at a time; not thread-safe.

    Use it as a context manager, or call `cleanup` when done.
    """

    def __init__(
        self, settings: Settings | None = None, features: tuple[Feature[Any], ...] | None = None
    ) -> None:
        """Raises SettingsError if there is no device as in the settings."""
        self.settings = settings or Settings()
        self.upscalers = Upscalers(self.settings)
        if features is None:
            features = features_for(self.settings, self.upscalers)
        self.features = features
        self.device: Device = choose_device(self.settings.device)
        self.modes = modes_for(self.device)
        self.threads = None if self.device.is_accelerator else ThreadCount()
        self.meter = PeakMeter(self.device)
        self.loaded: LoadedModel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self.cleanup()

    def find(
        self, model: str, report: Report = report_nothing, cancellation: Cancellation | None = None
    ) -> tuple[ModelSource, ModelDescription]:
        """Find and describe a model; download it first if it is only on the hub."""
        source = find_model(model, self.settings.model_folders)
        path = source.path
        if path is None:
            assert source.hub_id is not None
            path = download_model(
                source.hub_id,
                lambda done, total, speed: report(
                    Downloading(model=model, done=done, total=total, speed=speed)
                ),
                cancellation or Cancellation(),
            )
        return source, describe_model(path, self.settings)

    def choose_mode(self, requested: MemoryMode, estimate: Estimate, model: str) -> MemoryMode:
        """Return the memory mode of a run. For AUTO, the mode that the model is in already if it
        fits, else the fastest that fits. Raises UnsupportedModelError for a mode that the device
        doesn't have."""
        if requested is not MemoryMode.AUTO:
            if requested not in self.modes:
                raise UnsupportedModelError(
                    f"memory mode {requested} needs a GPU; on a CPU the weights are in main memory "
                    "anyway",
                    "Use --memory auto",
                )
            return requested
        memory = self.device.memory()
        free = memory.free + (memory.used if self.device.is_accelerator else self._held())
        if self.loaded and self.loaded.source.name == model:
            current = self.loaded.memory_mode
            # In parts there is nothing in memory that a faster mode would have to load again.
            if current is not MemoryMode.PARTS and estimate.peaks[current] <= free:
                return current
        return fastest_mode(estimate, free, self._modes_for(estimate))

    def _choose_runtime(
        self,
        requested: Runtime,
        speed: Speed,
        description: ModelDescription,
        dtype: DType,
        estimate: Estimate,
    ) -> Runtime:
        """Return what computes a model. For AUTO, not OpenVINO if main memory has no room for its
        copies of the weights, unless they are there already."""
        chosen = choose_runtime(requested, speed, self.device)
        has_copies = self.loaded is not None and self.loaded.speedups.copies > 0
        if requested is not Runtime.AUTO or chosen is Runtime.TORCH or has_copies:
            return chosen
        free = self.device.memory().free + self._held()
        needed = estimate.peaks[MemoryMode.FULL] + copied_bytes(description, dtype)
        return chosen if needed <= free else Runtime.TORCH

    def _modes_for(self, estimate: Estimate) -> tuple[MemoryMode, ...]:
        """Return the modes of the device that main memory has room for: a model that is loaded as a
        whole is there first, whatever its mode."""
        if not self.device.has_own_memory:
            return self.modes
        has_room = estimate.weights <= free_main_memory() + self._held()
        return self.modes if has_room else (MemoryMode.PARTS,)

    def load(
        self,
        model: str,
        dtype: DType = DType.AUTO,
        memory_mode: MemoryMode = MemoryMode.AUTO,
        speed: Speed | None = None,
        quantize: Quantize | None = None,
        runtime: Runtime = Runtime.AUTO,
        *,
        report: Report = report_nothing,
        cancellation: Cancellation | None = None,
        features: ActiveFeatures | None = None,
    ) -> LoadedModel:
        """Load `model` with this number format, memory mode, speed preset and quantization (None =
        as in the settings), runtime, and for these features, unless it is loaded so already;
        another model is unloaded first.

        Raises the ModelErrors, SettingsError, CancelledError, or the libraries' own error when
        memory runs out (no part of the model stays in memory then).
        """
        cancellation = cancellation or Cancellation()
        features = features or ActiveFeatures()
        dtype = choose_dtype(self.device, dtype)
        source, description = self.find(model, report, cancellation)
        features.check(description)
        added = features.memory(description, dtype)
        quantize = self.settings.quantize if quantize is None else quantize
        estimate = native_estimate(description, dtype, added=added, quantize=quantize)
        mode = self.choose_mode(memory_mode, estimate, model)
        speed = speed or self.settings.speed
        runtime = self._choose_runtime(runtime, speed, description, dtype, estimate)
        setup = _ModelSetup(source, description, dtype, mode, quantize, speed, runtime, features)
        if self.loaded and setup.matches(self.loaded):
            self._change_mode(self.loaded, mode)
        else:
            self.unload()
            self._load(setup, report, cancellation)
        assert self.loaded is not None
        return self.loaded

    def _held(self) -> int:
        """Return the bytes of the weights that are in main memory."""
        return weights_on("cpu", self.loaded)

    def _change_mode(self, loaded: LoadedModel, mode: MemoryMode) -> None:
        if loaded.memory_mode is mode:
            return
        # If this fails half-way the model is in no defined mode, so it is unloaded.
        self.loaded = None
        apply_mode(loaded.pipeline, mode, self.device)
        loaded.memory_mode = mode
        self.loaded = loaded

    def _load(self, setup: _ModelSetup, report: Report, cancellation: Cancellation) -> None:
        source, description, dtype = setup.source, setup.description, setup.dtype
        started = time.perf_counter()

        def on_component(name: str, number: int, total: int) -> None:
            report(Loading(model=source.name, component=name, number=number, total=total))

        parts: ModelParts | None = None
        in_parts = setup.memory_mode is MemoryMode.PARTS
        pipeline, timings = load_pipeline(
            description,
            dtype,
            on_component,
            cancellation,
            quantize=setup.quantize,
            empty=in_parts,
        )
        if in_parts:
            parts = ModelParts(pipeline, setup.load_part, self.device)
            parts.need(("vae",))
        setup.features.after_load(pipeline)
        vae, to_rgb = getattr(pipeline, "vae", None), None
        if self.settings.previews:
            with _timed(timings, "preview colours"):
                to_rgb = latent_to_rgb(description.family, vae, self.device.torch)
        with _timed(timings, "speed"):
            speedups = apply_speed(
                pipeline, setup.speed, self.device, runtime=setup.runtime, in_parts=in_parts
            )
        if parts is not None:
            parts.need(())
        with _timed(timings, "to device"):
            apply_mode(pipeline, setup.memory_mode, self.device)
        with _timed(timings, "hash"):
            record = _model_record(source, description, pipeline)
        known = known_description(description, pipeline.scheduler)
        self.loaded = LoadedModel(
            source=source,
            description=known,
            described=description,
            pipeline=pipeline,
            device=self.device,
            dtype=dtype,
            memory_mode=setup.memory_mode,
            quantize=setup.quantize,
            speed=setup.speed,
            runtime=setup.runtime,
            speedups=speedups,
            own_scheduler=pipeline.scheduler,
            counters=token_counters(description.tokenizers, description.traits.text_limit),
            to_rgb=to_rgb,
            record=record,
            load_timings=timings,
            notices=tuple(_notices(known, setup)),
            load_key=setup.features.load_key(),
            parts=parts,
        )
        report(
            Loaded(
                model=source.name,
                family=description.family,
                device=str(self.device.torch),
                dtype=dtype,
                memory_mode=setup.memory_mode,
                quantize=setup.quantize,
                seconds=time.perf_counter() - started,
            )
        )

    def unload(self) -> None:
        """Drop the model and the upscaler, and free their memory."""
        self.upscalers.unload()
        if self.loaded is not None:
            self.loaded.embeddings.clear()
            remove_hooks(self.loaded.pipeline)
            self.loaded = None
        self.device.release()

    def device_works(self) -> bool:
        """True if the device still computes; asked after an unexpected error."""
        return self.device.works()

    def cleanup(self) -> None:
        """Drop the model and all caches. The engine can be used again."""
        self.unload()


def _notices(known: ModelDescription, setup: _ModelSetup) -> Iterator[str]:
    """Yield what the user should know about a loaded model."""
    if known.guessed_prediction:
        yield guess_notice(known)


def _model_record(source: ModelSource, description: ModelDescription, pipeline: Any) -> ModelRecord:
    return ModelRecord(
        name=source.name,
        source=source.location,
        family=description.family,
        hash=model_hash(description.path),
        prediction_type=pipeline.scheduler.config.get("prediction_type"),
        completed_by=description.completed_by,
        part_files={name: file.name for name, file in description.part_files.items()},
    )


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    before = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - before
