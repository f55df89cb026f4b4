"""LoadedModel: a model in memory."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sdtui.core.enums import DType, MemoryMode, Quantize, Runtime, Speed
from sdtui.engine.control.ip_adapters import IPAdapters
from sdtui.engine.control.nets import ControlNets
from sdtui.engine.device import Device
from sdtui.engine.embeddings import EmbeddingCache
from sdtui.engine.lora.active_set import LoraSet
from sdtui.engine.memory.parts import ModelParts, OnPart, on_no_part
from sdtui.engine.preview import LatentToRGB
from sdtui.engine.speed.presets import SpeedUps, denoiser_of
from sdtui.models import ModelDescription, ModelSource, TokenCounter
from sdtui.requests.record import ModelRecord


@dataclass
class LoadedModel:
    """A pipeline and everything that is released together with it."""

    source: ModelSource
    description: ModelDescription
    """With what only the loaded weights show."""
    described: ModelDescription
    """As it was found: the model is loaded again if its files say something else."""
    pipeline: Any
    """A diffusers pipeline; they have no common type that lists the components."""
    device: Device
    dtype: DType
    memory_mode: MemoryMode
    quantize: Quantize
    speed: Speed
    runtime: Runtime
    speedups: SpeedUps
    own_scheduler: Any
    """The scheduler that the model came with; its config is never changed."""
    counters: dict[str, TokenCounter]
    to_rgb: LatentToRGB | None
    record: ModelRecord
    load_timings: dict[str, float]
    """Seconds by component."""
    notices: tuple[str, ...] = ()
    """Messages for the user about the loaded model."""
    load_key: Hashable = ()
    """Permanent changes by features, see `Feature.load_key`."""
    vae_file: Path | None = None
    """The VAE whose weights it has; None = its own."""
    parts: ModelParts | None = None
    """Set if parts are in memory only while a stage needs them."""
    loras: LoraSet = field(default_factory=LoraSet)
    controlnets: ControlNets = field(default_factory=ControlNets)
    ip_adapters: IPAdapters = field(default_factory=IPAdapters)
    embeddings: EmbeddingCache = field(default_factory=EmbeddingCache)

    def need_parts(self, names: Collection[str], on_part: OnPart = on_no_part) -> None:
        """Have these parts in memory and no others, if the model is loaded in parts; what features
        have changed in others is forgotten."""
        if self.parts is None:
            return
        changed = True
        try:
            changed = self.parts.need(names, on_part)
        finally:
            if changed:
                self.loras = LoraSet()
                self.vae_file = None
                self.controlnets.keep_only(())
                self.ip_adapters.rest()

    @property
    def execution_device(self) -> torch.device:
        """The device that the pipeline computes on, wherever its memory mode keeps the weights."""
        device: torch.device = self.pipeline._execution_device
        return device

    @property
    def vae_factor(self) -> int:
        """Pixels per latent, in each direction."""
        return int(getattr(self.pipeline, "vae_scale_factor", self.description.vae_factor))

    @property
    def vae(self) -> Any:
        """The VAE; None if the pipeline has none, or another kind of decoder."""
        return getattr(self.pipeline, "vae", None)

    @property
    def denoiser(self) -> Any:
        """The UNet or the transformer; None if the pipeline has several or another kind."""
        return denoiser_of(self.pipeline)
