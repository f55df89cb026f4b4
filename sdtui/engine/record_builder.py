"""RecordBuilder: collects facts during a run and derives the record from them."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version

from PIL import Image

from sdtui import __version__
from sdtui.core.enums import DType, MemoryMode, Quantize, Rng
from sdtui.core.errors import CancelledError, SdtuiError
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Plan
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.samplers import label_of
from sdtui.requests.record import (
    AttemptRecord,
    GenerationRecord,
    ImageRecord,
    ImageSettings,
    MemoryRecord,
    ModelRecord,
    Stage,
    Truncation,
)
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest


@dataclass(frozen=True)
class ModelFacts:
    """The record's facts about the loaded model. Holds no tensors: a run may outlive its model."""

    record: ModelRecord
    dtype: DType
    memory_mode: MemoryMode
    quantize: Quantize
    own_sampler: str
    speedups: tuple[str, ...]

    @classmethod
    def of(cls, model: LoadedModel) -> ModelFacts:
        """Return the facts of a model as it is loaded now."""
        return cls(
            record=model.record,
            dtype=model.dtype,
            memory_mode=model.memory_mode,
            quantize=model.quantize,
            own_sampler=label_of(model.own_scheduler),
            speedups=model.speedups.names,
        )


@dataclass
class RecordBuilder:
    """Written during a run; read only by `record`."""

    request: GenerationRequest
    seeds: tuple[int, ...]
    device: str
    timestamp: datetime = field(default_factory=lambda: datetime.now().astimezone())
    started: float = field(default_factory=time.perf_counter)
    timings: dict[str, float] = field(default_factory=dict)
    load_timings: dict[str, float] = field(default_factory=dict)
    model: ModelFacts | None = None
    other_models: dict[str, ModelRecord] = field(default_factory=dict)
    """Of later passes, by the names in the request."""
    estimate: int | None = None
    truncations: tuple[Truncation, ...] = ()
    notices: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    """Unique names of fields that the model doesn't accept."""

    def add_load_timings(self, model: LoadedModel, *, is_own: bool) -> None:
        """Add the seconds of loading the request's own model, or that of a later pass."""
        if is_own:
            self.load_timings = model.load_timings
        else:
            name = model.source.name
            timings = {f"{name}: {part}": each for part, each in model.load_timings.items()}
            self.load_timings = {**self.load_timings, **timings}

    @contextmanager
    def timing(self, stage: Stage) -> Iterator[None]:
        """Add the duration of the context to a stage's seconds."""
        before = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - before
            self.timings[stage] = self.timings.get(stage, 0.0) + spent

    def record(
        self,
        images: tuple[ImageRecord, ...],
        attempts: Sequence[AttemptRecord],
        plan: Plan,
        features: ActiveFeatures,
        *,
        peak: int | None,
        total: int | None,
        error: SdtuiError | None = None,
        complete: bool = True,
    ) -> GenerationRecord:
        """Return the record of the run so far. `complete` = whether every requested picture is
        finished (or, for one picture's own record, that picture)."""
        model = self.model
        return GenerationRecord(
            prompt=self.request.prompt,
            negative_prompt=self.request.negative_prompt,
            timestamp=self.timestamp,
            success=error is None and complete,
            cancelled=isinstance(error, CancelledError),
            error=str(error) if error else None,
            seed=self.seeds[0],
            generation_time=time.perf_counter() - self.started,
            request=self.request,
            settings=_settings(plan, model, features, self.left_out),
            model=model.record if model else None,
            other_models=tuple(self.other_models.values()),
            device=self.device,
            dtype=model.dtype if model else None,
            memory_mode=model.memory_mode if model else None,
            quantize=model.quantize if model else Quantize.NONE,
            attempts=tuple(attempts),
            timings=dict(self.timings),
            load_timings=self.load_timings,
            memory=MemoryRecord(device=self.device, estimate=self.estimate, peak=peak, total=total),
            truncations=self.truncations,
            notices=tuple(self.notices),
            parents=features.parents(),
            images=images,
            versions=_versions(),
        )


def _settings(
    plan: Plan, model: ModelFacts | None, features: ActiveFeatures, left_out: Set[str]
) -> ImageSettings | None:
    """Return the resolved values of the pictures, or None before the model is loaded. Of a given
    picture that needs no model, what it is finished with."""
    resolved = plan.resolved
    if resolved is None or model is None:
        given = features.given_image()
        return None if given is None or features.needs_model() else _settings_of(given, features)
    values: dict[str, object] = {
        "sampler": resolved.sampler or model.own_sampler,
        "num_inference_steps": resolved.num_inference_steps,
        "guidance_scale": resolved.guidance_scale,
        "width": resolved.width,
        "height": resolved.height,
        "batch_size": plan.batch_size,
        "vae_slicing": plan.vae_slicing,
        "vae_tiling": plan.vae_tile is not None,
        "speedups": model.speedups,
    }
    if resolved.true_cfg_scale is not None:
        values["true_cfg_scale"] = resolved.true_cfg_scale
    # The default is what the model did without the feature.
    without = {name: REQUEST_FIELDS[name].default for name in left_out & REQUEST_FIELDS.keys()}
    return ImageSettings.model_validate(
        {**values, **_noise(resolved), **without, **features.settings()}
    )


def _settings_of(image: Image.Image, features: ActiveFeatures) -> ImageSettings:
    values: dict[str, object] = {"width": image.width, "height": image.height}
    values |= dict.fromkeys(("batch_size", "vae_slicing", "vae_tiling"))
    for feature, section in features.finishing():
        values |= feature.settings(section)
    return ImageSettings.model_validate(values)


def _noise(resolved: ResolvedRequest) -> dict[str, object]:
    """Return how noise was drawn, where it isn't the usual way; the variation seed is that of the
    first picture."""
    noise = resolved.noise
    values: dict[str, object] = {}
    if noise.is_varied:
        values["variation_seed"] = noise.variation_seed
        values["variation_strength"] = noise.variation_strength
    if noise.is_resized:
        size = noise.original_size(resolved.width, resolved.height)
        values["seed_resize_width"], values["seed_resize_height"] = size
    if noise.rng is not Rng.CPU:
        values["rng"] = noise.rng
    return values


@cache
def _versions() -> dict[str, str]:
    libraries = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
    return {
        "sdtui": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in libraries},
    }
