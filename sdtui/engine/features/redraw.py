"""Redrawing: an upscaled picture is made anew tile by tile, in the memory of one tile."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.features.feature import Feature
from sdtui.engine.finishing import FinishingContext
from sdtui.engine.latents import encode_image
from sdtui.engine.passes import Pass, StartContext
from sdtui.engine.upscaling.redrawn_tiles import padded_canvas, paste, redrawn_tiles
from sdtui.requests.record import PassPlace
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.redraw import Redraw

REDRAW = "redraw"
"""The name of the passes."""

_CANVAS, _DONE = "canvas", "done"
"""What is kept of a picture whose tiles aren't all redrawn."""


@dataclass(frozen=True)
class FromRegion:
    """Starts a pass from a part of the canvas."""

    image: Image.Image

    @property
    def has_pictures(self) -> bool:
        return True

    def latents(self, context: StartContext) -> torch.Tensor:
        """Sample latents from the VAE's posterior."""
        return encode_image(context.model, self.image, context.generators)

    def images(self, context: StartContext) -> list[Image.Image]:
        """Return the part for each picture."""
        return [self.image] * len(context.generators)


class TiledRedraw(Feature[Redraw]):
    name = "redraw"

    def open(self, request: GenerationRequest) -> Redraw | None:
        """Return the request's section."""
        return request.redraw

    def embedding_key(self, section: Redraw, pass_: Pass) -> None:
        """Return None: the prompts are encoded as ever."""

    def needs_model(self, section: Redraw) -> bool:
        """Return True: each tile is an image-to-image of the model."""
        return True

    def finish(self, section: Redraw, image: Image.Image, context: FinishingContext) -> Image.Image:
        """Return the picture with every tile made anew. Finished tiles are kept when memory runs
        out in a later one."""
        resolved = context.resolved
        assert resolved is not None
        canvas: Image.Image = context.state.setdefault(
            _CANVAS, padded_canvas(image.convert("RGB"), resolved.size_multiple)
        )
        tiles = redrawn_tiles(*canvas.size, section, resolved.size_multiple)
        for number, tile in enumerate(tiles):
            if number < context.state.get(_DONE, 0):
                continue
            width, height = tile.size
            pass_ = Pass(
                replace(resolved, width=width, height=height),
                start=FromRegion(canvas.crop(tile.region)),
                strength=section.strength,
                name=REDRAW,
            )
            if pass_.expected_steps == 0:
                raise UnsupportedModelError(
                    f"with {resolved.num_inference_steps} steps, a redraw of {section.strength:g} "
                    "leaves no step",
                    "Take a higher one, or more steps",
                )
            place = PassPlace(number=number + 1, count=len(tiles), name=REDRAW)
            paste(canvas, context.make(pass_, place), tile, section.mask_blur)
            context.state[_DONE] = number + 1
        return canvas.crop((0, 0, *image.size))
