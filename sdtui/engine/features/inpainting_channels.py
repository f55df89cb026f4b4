"""Inpainting models: their denoiser also takes a mask and the latents of the masked picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image

from sdtui.engine.features.feature import Feature
from sdtui.engine.latents import encode_pixels, latent_mask
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription
from sdtui.requests.request import GenerationRequest

_REPAINTED = 128
"""The value of a mask from which on the model doesn't see the picture; diffusers' limit is 0.5."""


class InpaintingChannels(Feature[bool]):
    """Adds the channels. Without a mask all of the picture is masked, so that such a model also
    makes pictures from text or from a whole picture, as in A1111."""

    name = "inpainting_channels"
    prepares_once = True

    def open(self, request: GenerationRequest) -> None:
        """Return None: it depends on the model."""

    def native(self, description: ModelDescription) -> bool | None:
        """Return True for inpainting models."""
        return description.is_inpainting or None

    def embedding_key(self, section: bool, pass_: Pass) -> None:
        """Return None: the prompts are encoded as ever."""

    def prepare(self, section: bool, model: LoadedModel, batch: Batch) -> Mapping[str, object]:
        """Return the mask and the latents of the masked picture, 1 x (1 + C) x h x w, in the
        denoiser's dtype on the CPU."""
        request, masked = batch.pass_.request, batch.pass_.masked
        if masked is None:
            hidden = Image.new("L", (request.width, request.height), 255)
            pixels = torch.zeros((1, 3, request.height, request.width), dtype=torch.float32)
        else:
            size = (request.width, request.height)
            image, mask = masked.image, masked.mask
            if image.size != size:  # of a smaller first pass
                image, mask = image.resize(size), mask.resize(size)
            hidden = mask.point(lambda value: 255 if value >= _REPAINTED else 0)
            pixels = model.pipeline.image_processor.preprocess(image)
            pixels = pixels * (1 - latent_mask(hidden, pixels))
        latents = encode_pixels(model, pixels)
        weights = latent_mask(hidden, latents).round()
        return {"channels": torch.cat([weights, latents], dim=1).cpu()}

    @contextmanager
    def denoising(self, section: bool, model: LoadedModel, batch: Batch) -> Iterator[None]:
        """Add the channels to the latents in every call of the denoiser."""
        channels: Any = batch.prepared[self.name]["channels"]

        def add(
            _: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            sample = args[0] if args else given["sample"]
            more = channels.to(sample).expand(len(sample), -1, -1, -1)
            whole = torch.cat([sample, more], dim=1)
            if args:
                return (whole, *args[1:]), given
            return args, {**given, "sample": whole}

        handle = model.denoiser.register_forward_pre_hook(add, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()
