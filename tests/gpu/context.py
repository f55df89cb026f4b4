"""What the checks share: the device, the models, and one engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import DiffusionPipeline

from sdtui.core.enums import DType, MemoryMode, Policy, Speed
from sdtui.core.settings import Settings
from sdtui.engine.device import TORCH_DTYPES, Device
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution
from tests.gpu.models import Models
from tests.gpu.rows import Reading

MIB = 2**20
GIB = 2**30

SIDES = {"pocket": 128, "sd1": 512, "sdxl": 1024, "flux": 512}
"""Pixels a side of the pictures of each model of real size, and of pocket."""
DRY_SIDE = 64
"""The same of tiny models."""


@dataclass
class Context:
    """The state of one process that runs checks."""

    device: Device
    models: Models
    dry: bool
    _engine: StableDiffusionEngine | None = None
    _plain: tuple[str, DType, Any] | None = field(default=None, repr=False)

    def side(self, family: str) -> int:
        """Return the side of a model's pictures in pixels."""
        return DRY_SIDE if self.dry else SIDES.get(family, DRY_SIDE)

    def steps(self, count: int) -> int:
        """Return a number of steps; few in a dry run."""
        return min(count, 3) if self.dry else count

    def engine(self, *, previews: bool = False) -> StableDiffusionEngine:
        """Return the engine; a model that is loaded stays loaded."""
        settings = Settings(device=str(self.device.torch), previews=previews)
        if self._engine is None:
            self._engine = StableDiffusionEngine(settings)
        self._engine.settings = settings
        return self._engine

    def request(
        self,
        family: str,
        dtype: DType = DType.FLOAT16,
        *,
        memory_mode: MemoryMode = MemoryMode.FULL,
        speed: Speed = Speed.QUALITY,
        **values: Any,
    ) -> GenerationRequest:
        """Return a request for a picture of a model."""
        side = self.side(family)
        defaults: dict[str, Any] = {
            "prompt": "a red apple on a wooden table",
            "model": str(self.models.folder(family)),
            "num_inference_steps": self.steps(4),
            "seed": 42,
            "width": side,
            "height": side,
        }
        execution = Execution(
            dtype=dtype, memory_mode=memory_mode, policy=Policy.STRICT, speed=speed
        )
        return GenerationRequest(**{**defaults, **values}, execution=execution)

    def plain_pipeline(self, family: str, dtype: DType) -> Any:
        """Return diffusers' own pipeline of a model, on the device; the last one is kept."""
        if self._plain is None or self._plain[:2] != (family, dtype):
            self.drop_plain()
            pipeline: Any = DiffusionPipeline.from_pretrained(
                self.models.folder(family), dtype=TORCH_DTYPES[dtype], local_files_only=True
            )
            pipeline.set_progress_bar_config(disable=True)
            pipeline.to(self.device.torch)
            self._plain = (family, dtype, pipeline)
        return self._plain[2]

    def drop_plain(self) -> None:
        """Free diffusers' own pipeline."""
        self._plain = None
        self.device.release()

    def allocated(self) -> int:
        """Return the bytes of tensors on the device."""
        return torch.cuda.memory_allocated(self.device.torch)

    def close(self) -> None:
        """Free everything."""
        if self._engine is not None:
            self._engine.cleanup()
        self.drop_plain()


@dataclass(frozen=True)
class Check:
    """A row of the table and how it is measured."""

    group: str
    name: str
    measure: Callable[[Context], Reading]
    needs_gpu: bool = False
    """True if the value has a meaning on a CUDA device only."""
