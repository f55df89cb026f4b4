"""Image-to-image: the first pass starts from a picture, or has it as its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from PIL import Image

from sdtui.core.enums import ImageFit
from sdtui.core.pictures.fit import fit_image
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.starting import check_starts
from sdtui.engine.latents import encode_image
from sdtui.engine.passes import Pass, StartContext
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription
from sdtui.requests.input_images import InitImage, open_init_image
from sdtui.requests.request import GenerationRequest
from sdtui.requests.shapes import size_of_shape


@dataclass(frozen=True)
class OpenedImageToImage:
    """The request's section with its image opened and its strength resolved."""

    opened: InitImage
    fit: ImageFit
    strength: float
    noise_multiplier: float
    is_repainted: bool = False
    """True if only a part of it is made anew."""
    is_reference: bool = False
    """True for a model that edits: it makes another picture from it, without strength."""


@dataclass(frozen=True)
class FromInitImage:
    """Starts a pass from a picture, fitted to the pass's size and encoded by the VAE."""

    opened: InitImage
    fit: ImageFit

    @property
    def has_pictures(self) -> bool:
        return True

    def latents(self, context: StartContext) -> torch.Tensor:
        """Sample latents from the VAE's posterior with each picture's generator."""
        return encode_image(context.model, self.picture(context.request), context.generators)

    def images(self, context: StartContext) -> list[Image.Image]:
        """Return the same picture for each."""
        return [self.picture(context.request)] * len(context.generators)

    def picture(self, request: ResolvedRequest) -> Image.Image:
        return fit_image(self.opened.image, request.width, request.height, self.fit)


class ImageToImage(Feature[OpenedImageToImage]):
    name = "image_to_image"

    def open(self, request: GenerationRequest) -> OpenedImageToImage | None:
        """Open the init image. Raises ImageError."""
        section = request.image_to_image
        if section is None:
            return None
        return OpenedImageToImage(
            open_init_image(section.image),
            section.fit,
            request.strength,
            section.noise_multiplier,
            is_repainted=request.inpainting is not None or request.outpainting is not None,
        )

    def check(self, section: OpenedImageToImage, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if the model can't start from pictures."""
        check_starts(description, "image-to-image")

    def for_model(
        self, section: OpenedImageToImage, description: ModelDescription
    ) -> OpenedImageToImage:
        """Return the section with the use that the model has for the picture."""
        is_reference = description.traits.edits and not section.is_repainted
        return replace(section, is_reference=is_reference)

    def size(
        self, section: OpenedImageToImage, native: tuple[int, int], multiple: int
    ) -> tuple[int, int] | None:
        """Return the shape of a reference, with about as many pixels as the native size."""
        if not section.is_reference:
            return None
        return size_of_shape(section.opened.image.size, native, multiple)

    def embedding_key(self, section: OpenedImageToImage, pass_: Pass) -> None:
        """Return None: the family knows whether the prompts are encoded with the picture."""

    def passes(self, section: OpenedImageToImage, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Let the first pass start from the picture, or have it as its reference."""
        first, *others = passes
        if section.is_reference:
            return (replace(first, references=(section.opened.image,)), *others)
        start = FromInitImage(section.opened, section.fit)
        first = replace(
            first,
            start=start,
            strength=section.strength,
            noise_multiplier=section.noise_multiplier,
        )
        return (first, *others)

    def settings(self, section: OpenedImageToImage) -> Mapping[str, object]:
        """Return the strength for the record."""
        return {} if section.is_reference else {"strength": section.strength}

    def parents(self, section: OpenedImageToImage) -> tuple[str, ...]:
        """Return the hash of the init image's file."""
        return (section.opened.sha256,)
