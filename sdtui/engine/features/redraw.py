"""Redrawing: an upscaled picture is made anew tile by tile, in the memory of one tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.starting import check_starts
from sdtui.engine.finishing import FinishingContext
from sdtui.engine.latents import encode_image
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import CanvasPart, Pass, StartContext
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.upscaling.redrawn_tiles import padded_canvas, paste, redrawn_tiles
from sdtui.models import ModelDescription
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

    part: CanvasPart

    @property
    def has_pictures(self) -> bool:
        return True

    def latents(self, context: StartContext) -> torch.Tensor:
        """Sample latents from the VAE's posterior."""
        return encode_image(context.model, self.part.image, context.generators)

    def images(self, context: StartContext) -> list[Image.Image]:
        """Return the part for each picture."""
        return [self.part.image] * len(context.generators)

    def picture(self, request: ResolvedRequest) -> Image.Image:
        """Return the part."""
        return self.part.image


@dataclass(frozen=True)
class OpenedRedraw:
    """The request's section."""

    redraw: Redraw
    has_mask: bool
    """True if only a part of the picture was repainted before."""


class TiledRedraw(Feature[OpenedRedraw]):
    name = "redraw"

    def open(self, request: GenerationRequest) -> OpenedRedraw | None:
        """Return the request's section."""
        has_mask = request.inpainting is not None or request.outpainting is not None
        return None if request.redraw is None else OpenedRedraw(request.redraw, has_mask)

    def check(self, section: OpenedRedraw, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if the model can't start from pictures."""
        check_starts(description, "a redraw")

    def embedding_key(self, section: OpenedRedraw, pass_: Pass) -> None:
        """Return None: the prompts are encoded as ever."""

    def needs_model(self, section: OpenedRedraw) -> bool:
        """Return True: each tile is an image-to-image of the model."""
        return True

    def notices(self, section: OpenedRedraw, model: LoadedModel) -> Sequence[str]:
        """Return what tiles leave out."""
        whole = "the redraw makes the whole picture anew, also what the mask keeps"
        return [whole] if section.has_mask else ()

    def finish(
        self, section: OpenedRedraw, image: Image.Image, context: FinishingContext
    ) -> Image.Image:
        """Return the picture with every tile made anew. Finished tiles are kept when memory runs
        out in a later one."""
        redraw, resolved = section.redraw, context.resolved
        assert resolved is not None
        canvas: Image.Image = context.state.setdefault(
            _CANVAS, padded_canvas(image.convert("RGB"), resolved.size_multiple)
        )
        tiles = redrawn_tiles(*canvas.size, redraw, resolved.size_multiple)
        for number, tile in enumerate(tiles):
            if number < context.state.get(_DONE, 0):
                continue
            width, height = tile.size
            part = CanvasPart(canvas.crop(tile.region), tile.region, canvas.size)
            pass_ = Pass(
                replace(resolved, width=width, height=height),
                start=FromRegion(part),
                strength=redraw.strength,
                part=part,
                name=REDRAW,
            )
            if pass_.expected_steps == 0:
                raise UnsupportedModelError(
                    f"with {resolved.num_inference_steps} steps, a redraw of {redraw.strength:g} "
                    "leaves no step",
                    "Take a higher one, or more steps",
                )
            place = PassPlace(number=number + 1, count=len(tiles), name=REDRAW)
            paste(canvas, context.make(pass_, place), tile, redraw.mask_blur)
            context.state[_DONE] = number + 1
        return canvas.crop((0, 0, *image.size))
