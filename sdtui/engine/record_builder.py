"""The story of a run, gathered as it goes, and the record that is made of it."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version

from sdtui import __version__
from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import CancelledError, SdtuiError
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
from sdtui.requests.request import GenerationRequest


@dataclass
class RecordBuilder:
    """What there is to tell about one run."""

    request: GenerationRequest
    seeds: tuple[int, ...]
    device: str
    timestamp: datetime = field(default_factory=lambda: datetime.now().astimezone())
    started: float = field(default_factory=time.perf_counter)
    attempts: list[AttemptRecord] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    load_timings: dict[str, float] = field(default_factory=dict)
    settings: ImageSettings | None = None
    model: ModelRecord | None = None
    dtype: DType | None = None
    memory_mode: MemoryMode | None = None
    estimate: int | None = None
    truncations: tuple[Truncation, ...] = ()
    notices: list[str] = field(default_factory=list)
    parents: tuple[str, ...] = ()

    @contextmanager
    def timing(self, stage: Stage) -> Iterator[None]:
        """Add the seconds of what runs inside to a stage."""
        before = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - before
            self.timings[stage] = self.timings.get(stage, 0.0) + spent

    def record(
        self,
        images: tuple[ImageRecord, ...],
        *,
        peak: int | None,
        total: int | None,
        error: SdtuiError | None = None,
        complete: bool = True,
    ) -> GenerationRecord:
        """The record as things stand. `complete` = whether every picture that was asked for is
        there (or, for one picture's own record, that one)."""
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
            settings=self.settings,
            model=self.model,
            device=self.device,
            dtype=self.dtype,
            memory_mode=self.memory_mode,
            attempts=tuple(self.attempts),
            timings=dict(self.timings),
            load_timings=self.load_timings,
            memory=MemoryRecord(device=self.device, estimate=self.estimate, peak=peak, total=total),
            truncations=self.truncations,
            notices=tuple(self.notices),
            parents=self.parents,
            images=images,
            versions=_versions(),
        )


@cache
def _versions() -> dict[str, str]:
    libraries = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
    return {
        "sdtui": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in libraries},
    }
