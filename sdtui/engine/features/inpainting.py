"""Inpainting and outpainting: only a part of the init image is made anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from sdtui.core.enums import ImageFit, InpaintFill
from sdtui.core.errors import ImageError, UnsupportedModelError
from sdtui.core.pictures import canvas, masks
from sdtui.core.pictures.fill import filled
from sdtui.core.pictures.fit import fit_exactly, fit_mask
from sdtui.core.pictures.repainting import Repainting, only_masked, whole_picture
from sdtui.engine.families import family_of
from sdtui.engine.families.family import StepState
from sdtui.engine.features.feature import Feature
from sdtui.engine.latents import draw_noise, encode_image, latent_mask
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, MaskedPicture, Pass, StartContext
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription
from sdtui.requests.input_images import OpenedMask, open_init_image, open_mask, open_transparency
from sdtui.requests.request import SIZE_MULTIPLE, GenerationRequest
from sdtui.requests.sections.inpaint import ALPHA, Inpaint
from sdtui.requests.shapes import size_of_shape

_FULLY_NEW = 2
"""A1111's factor: all of the outer half of a blurred edge is the result's."""
_SOFT = 8
"""The same with soft inpainting, whose result goes over into the original by itself."""
_AT_HOME = 2
"""Up to how many times as many pixels as its native size, or as few, a model works well with."""


@dataclass(frozen=True)
class OpenedInpainting:
    """The picture on its canvas, and what of it is repainted."""

    image: Image.Image
    """RGB, with the border of outpainting."""
    mask: Image.Image
    """L, of the same size, blurred."""
    fit: ImageFit
    keeps_size: bool
    """True if the finished picture has the size of `image`, whatever the model works in."""
    settings: Inpaint | None
    """None for outpainting without a mask."""
    outpaint: str | None
    has_original: bool
    """False if what is masked shows nothing: it was transparent."""
    mask_sha256: str | None
    """Of the mask's file; None if there is none."""
    has_hires: bool = False
    """True if a second pass may give the finished picture another size."""

    @property
    def fill(self) -> InpaintFill:
        """What the masked part holds at first."""
        fill = InpaintFill.ORIGINAL if self.settings is None else self.settings.fill
        is_open = fill is InpaintFill.ORIGINAL and not self.has_original
        return InpaintFill.FILL if is_open else fill

    @property
    def is_soft(self) -> bool:
        """True for differential diffusion."""
        return self.settings is not None and self.settings.soft

    @property
    def only_masked(self) -> bool:
        """True if the model sees the part of the picture around the mask alone."""
        return self.settings is not None and self.settings.only_masked

    def repainting(self, size: tuple[int, int]) -> Repainting:
        """Return what a model that works in `size`, width and height, repaints."""
        if self.settings is not None and self.settings.only_masked:
            gain = _SOFT if self.is_soft else 1
            return only_masked(
                self.image, self.mask, size, padding=self.settings.padding, gain=gain
            )
        gain = _SOFT if self.is_soft else _FULLY_NEW
        if self.keeps_size:
            return whole_picture(self.image, self.mask, size, gain=gain)
        image = fit_exactly(self.image, *size, self.fit)
        return whole_picture(image, fit_mask(self.mask, *size, self.fit), size, gain=gain)


@dataclass(frozen=True)
class FromMaskedPicture:
    """Starts a pass from a picture whose masked part holds something else."""

    masked: MaskedPicture
    fill: InpaintFill
    has_pictures: bool = True

    def latents(self, context: StartContext) -> torch.Tensor:
        """Sample latents from the VAE's posterior with each picture's generator, which also draws
        the noise in the masked part."""
        # Contiguous, as in diffusers' inpainting pipelines: kernels round differently for another
        # memory format.
        image, generators = self.masked.image, context.generators
        latents = encode_image(context.model, image, generators).contiguous()
        if self.fill not in (InpaintFill.NOISE, InpaintFill.NOTHING):
            return latents
        weights = latent_mask(self.masked.mask, latents).round()
        kept = latents * (1 - weights)
        if self.fill is InpaintFill.NOTHING:
            return kept
        return kept + draw_noise(latents.shape[1:], generators).to(latents) * weights

    def images(self, context: StartContext) -> list[Image.Image]:
        """Return the same picture for each."""
        return [self.masked.image] * len(context.generators)

    def picture(self, request: ResolvedRequest) -> Image.Image:
        """Return the masked picture, which has the pass's size."""
        return self.masked.image


class Inpainting(Feature[OpenedInpainting]):
    """Gives the first pass a mask, and pastes its result into the original."""

    name = "inpainting"
    prepares_once = True

    def open(self, request: GenerationRequest) -> OpenedInpainting | None:
        """Open the picture and the mask. Raises ImageError."""
        section, start = request.inpainting, request.image_to_image
        if start is None or (section is None and request.outpainting is None):
            return None
        needs_box = section is not None and section.only_masked
        image = open_init_image(start.image).image
        found = None if section is None else _mask(section, start.image)
        mask = Image.new("L", image.size) if found is None else found.image
        if mask.size != image.size:
            mask = mask.resize(image.size, Image.Resampling.BILINEAR)
        if request.outpainting is not None:
            sides = canvas.rounded_up(request.outpainting.border, image.size, SIZE_MULTIPLE)
            border = canvas.border_mask(image.size, sides)
            mask = masks.united(canvas.placed(mask, sides), border)
            image = canvas.extended(image, sides)
        elif masks.is_empty(mask) and (request.strength > 0 or needs_box):
            raise ImageError(
                "the mask is black throughout: nothing would be repainted",
                "Paint white what should change, or invert the mask",
            )
        is_alpha = section is not None and str(section.mask) == ALPHA
        return OpenedInpainting(
            image=image,
            mask=masks.blurred(mask, Inpaint.blur if section is None else section.blur),
            fit=start.fit,
            keeps_size=_keeps_size(request),
            has_hires=request.hires is not None and _is_size_open(request),
            settings=section,
            outpaint=None if request.outpainting is None else request.outpainting.sides,
            has_original=not is_alpha,
            mask_sha256=None if found is None or is_alpha else found.sha256,
        )

    def check(self, section: OpenedInpainting, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if diffusers repaints nothing with this kind of model."""
        if not family_of(description).can_inpaint(description):
            raise UnsupportedModelError(
                f"{description.name} ({description.pipeline_class}) can't repaint a part of a "
                "picture",
                "Leave mask and outpaint out, or use another model",
            )

    def for_model(
        self, section: OpenedInpainting, description: ModelDescription
    ) -> OpenedInpainting:
        """Let hires make the picture larger, unless the first pass works in a smaller size than the
        picture's own."""
        native = description.native
        if not section.has_hires or native.width is None or native.height is None:
            return section
        share = _share(section.image, (native.width, native.height))
        return replace(section, keeps_size=share > _AT_HOME)

    def size(
        self, section: OpenedInpainting, native: tuple[int, int], multiple: int
    ) -> tuple[int, int] | None:
        """Return the picture's own size if the model is at home in it, else its shape with about as
        many pixels as the native size. With only masked, the native size."""
        if section.only_masked:
            return None
        own = section.image.size
        is_at_home = 1 / _AT_HOME <= _share(section.image, native) <= _AT_HOME
        return size_of_shape(own, own if is_at_home else native, multiple)

    def embedding_key(self, section: OpenedInpainting, pass_: Pass) -> None:
        """Return None: the prompts are encoded without the picture."""

    def notices(self, section: OpenedInpainting, model: LoadedModel) -> Sequence[str]:
        """Return what other families leave out."""
        if model.description.is_stable_diffusion:
            return ()
        left_out = []
        if section.fill in (InpaintFill.NOISE, InpaintFill.NOTHING):
            left_out.append(f"{section.fill} as the masked content (it is filled instead)")
        if section.is_soft:
            left_out.append("soft inpainting")
        return [f"{model.source.name} doesn't take {each}: it was left out" for each in left_out]

    def passes(self, section: OpenedInpainting, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Let the first pass start from the masked picture."""
        first, *others = passes
        size = first.request.width, first.request.height
        repainting = section.repainting(size)
        image = repainting.image
        if section.fill is not InpaintFill.ORIGINAL:
            image = filled(image, repainting.mask)
        masked = MaskedPicture(image, repainting.mask)
        start = FromMaskedPicture(masked, section.fill)
        return (replace(first, start=start, masked=masked), *others)

    def prepare(
        self, section: OpenedInpainting, model: LoadedModel, batch: Batch
    ) -> Mapping[str, object]:
        """Return the mask of the latents, 1 x 1 x h x w on the CPU, where they are blended after
        each step."""
        masked = batch.pass_.masked
        is_blended = section.is_soft or not model.description.is_inpainting
        if masked is None or batch.start is None or not is_blended:
            return {}
        weights = latent_mask(masked.mask, batch.start[:1].cpu())
        return {"mask": weights if section.is_soft else weights.round()}

    def on_step(
        self, section: OpenedInpainting, batch: Batch, state: StepState
    ) -> torch.Tensor | None:
        """Return the latents with those of the original put back where they are kept, with the
        noise of the next step, as diffusers' inpainting pipelines do."""
        weights = batch.prepared.get(self.name, {}).get("mask")
        if not isinstance(weights, torch.Tensor) or state.start is None or state.noise is None:
            return None
        kept = state.start
        left = state.total - state.step
        if left > 0:
            timestep = torch.tensor([state.scheduler.timesteps[-left]])
            kept = state.scheduler.add_noise(kept, state.noise, timestep)
        if section.is_soft:
            # What is masked by a share may change in that share of the steps, the last ones.
            weights = (weights > left / state.total).to(weights)
        weights = weights.to(state.latents)
        return (1 - weights) * kept + weights * state.latents

    def after_decode(
        self, section: OpenedInpainting, images: Sequence[Image.Image]
    ) -> Sequence[Image.Image]:
        """Paste the results into the original: what the mask keeps is the same to the pixel."""
        if not images:
            return images
        repainting = section.repainting(images[0].size)
        return [repainting.pasted(image) for image in images]

    def settings(self, section: OpenedInpainting) -> Mapping[str, object]:
        """Return the fields for the record."""
        values: dict[str, object] = {"keep_size": section.keeps_size}
        if section.settings is not None:
            values |= {
                "mask_blur": section.settings.blur,
                "inpaint_fill": section.fill,
                "only_masked": section.settings.only_masked,
            }
        if section.outpaint is not None:
            values["outpaint"] = section.outpaint
        return values

    def parents(self, section: OpenedInpainting) -> tuple[str, ...]:
        """Return the hash of the mask's file."""
        return () if section.mask_sha256 is None else (section.mask_sha256,)


def _share(image: Image.Image, native: tuple[int, int]) -> float:
    """Return how many times as many pixels as the native size a picture has."""
    return image.width * image.height / (native[0] * native[1])


def _keeps_size(request: GenerationRequest) -> bool:
    asked = request.image_to_image.keep_size if request.image_to_image else None
    return _is_size_open(request) if asked is None else asked


def _is_size_open(request: GenerationRequest) -> bool:
    """True if nothing in a request says how large the finished picture is."""
    start = request.image_to_image
    is_open = request.width is None and request.height is None
    return is_open and start is not None and start.keep_size is None


def _mask(section: Inpaint, picture: Path) -> OpenedMask:
    """Return the mask of a picture, inverted if that is asked for. Raises ImageError."""
    is_alpha = str(section.mask) == ALPHA
    found = open_transparency(picture) if is_alpha else open_mask(section.mask)
    return replace(found, image=masks.inverted(found.image)) if section.invert else found
