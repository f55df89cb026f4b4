"""Seamless tiling: convolutions see the opposite edge behind each edge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import nn

from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.models import ModelDescription
from sdtui.models.ignored import takes_field
from sdtui.requests.request import GenerationRequest


class Tiling(Feature[bool]):
    """Pads the convolutions of UNet and VAE circularly."""

    name = "tiling"
    fields = ("tiling",)

    def open(self, request: GenerationRequest) -> bool | None:
        """Return True if it is asked for."""
        return request.tiling.tiling or None

    def supports(self, section: bool, description: ModelDescription) -> bool:
        """True for Stable Diffusion: transformers have no convolutions that matter."""
        return takes_field(description, "tiling")

    def embedding_key(self, section: bool, pass_: Pass) -> None:
        """Return None: the prompts are encoded as ever."""

    @contextmanager
    def apply(self, section: bool, model: LoadedModel) -> Iterator[None]:
        """Change the padding, and change it back."""
        modules = (*model.denoiser.modules(), *model.vae.modules())
        convolutions = [each for each in modules if isinstance(each, nn.Conv2d)]
        before = [each.padding_mode for each in convolutions]
        for each in convolutions:
            each.padding_mode = "circular"
        try:
            yield
        finally:
            for each, mode in zip(convolutions, before, strict=True):
                each.padding_mode = mode

    def settings(self, section: bool) -> Mapping[str, object]:
        """Return the field for the record."""
        return {"tiling": True}
