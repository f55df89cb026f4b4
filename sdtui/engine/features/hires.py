"""Hires fix: a second pass in a larger size, from the first one's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch.nn import functional

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.upscaler_names import LANCZOS
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.starting import check_starts
from sdtui.engine.latents import encode_pixels
from sdtui.engine.memory.ladder import Plan, Rung
from sdtui.engine.passes import Pass, StartContext
from sdtui.engine.resolve import without_tags
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.upscaling.upscaler import Upscaler, UpscalingContext
from sdtui.engine.upscaling.upscalers import Upscalers
from sdtui.models import ModelDescription
from sdtui.requests.record import Stage
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.requests.sections.hires import (
    DEFAULT_HIRES_STRENGTH,
    LARGEST_HIRES_SIDE,
    LATENT,
    LATENT_UPSCALERS,
    Hires,
    HiresSize,
)

HIRES = "hires"
"""The name of the pass."""

_STAGES = frozenset({Stage.PREPARE, Stage.DENOISE, Stage.DECODE})
_LARGEST_STRENGTH = 0.999
"""A1111 divides the steps by no more, so that no noise level is skipped at a strength of 1."""
_LESS = (0.5, 0.0)
"""The shares of the enlargement that are tried when memory runs out."""
_INTERPOLATIONS: Mapping[str, tuple[str, bool]] = dict(
    zip(
        LATENT_UPSCALERS,
        [
            ("bilinear", False),
            ("bilinear", True),
            ("bicubic", False),
            ("bicubic", True),
            ("nearest", False),
            ("nearest-exact", False),
        ],
        strict=True,
    )
)
"""By upscaler, the mode of torch's `interpolate`, and whether it is antialiased."""


@dataclass(frozen=True)
class OpenedHires:
    """The request's section with its upscaler found."""

    section: Hires
    upscaler: Upscaler | None = None
    """None = of latents, by the name in the section."""
    strength: float = DEFAULT_HIRES_STRENGTH
    """How much is made anew, 0 to 1."""
    enlargement: float = 1.0
    """The share of the enlargement that is left after memory ran out, 0 to 1."""
    needs_steps: bool = False
    """True if the model can't run a pass without any step, as pipelines refuse it that encode
    pictures themselves."""

    @property
    def latent(self) -> str:
        """The upscaler of latents."""
        name = self.section.upscaler
        return name if name in LATENT_UPSCALERS else LATENT


@dataclass(frozen=True)
class FromEnlarged:
    """Starts a pass from the enlarged result of the previous one, cropped about its centre."""

    size: HiresSize
    upscaler: Upscaler | None
    latent: str
    before: Pass
    """The pass whose result is enlarged."""

    @property
    def has_pictures(self) -> bool:
        """True if pictures are enlarged, not latents."""
        return self.upscaler is not None

    def latents(self, context: StartContext) -> torch.Tensor:
        """Enlarge the latents themselves, or the pictures, and encode these.

        Nothing is drawn with the pictures' generators: the pass has the noise of the same seeds
        from the beginning, in its own size, as in A1111.
        """
        model, factor = context.model, context.model.vae_factor
        if self.upscaler is None:
            assert context.before is not None
            width, height = self.size.scaled
            mode, antialias = _INTERPOLATIONS[self.latent]
            enlarged = functional.interpolate(
                context.before.float(),
                size=(height // factor, width // factor),
                mode=mode,
                antialias=antialias,
            )
            enlarged = enlarged.to(model.execution_device, model.denoiser.dtype)
        else:
            images = self._enlarged(context, self.upscaler)
            enlarged = encode_pixels(model, model.pipeline.image_processor.preprocess(images))
        across, down = (side // factor for side in self.size.cropped)
        rows = slice(down // 2, enlarged.shape[2] - (down + 1) // 2)
        columns = slice(across // 2, enlarged.shape[3] - (across + 1) // 2)
        return enlarged[:, :, rows, columns].contiguous()

    def images(self, context: StartContext) -> list[Image.Image]:
        """Return the enlarged pictures, cropped."""
        assert self.upscaler is not None
        left, top = (side // 2 for side in self.size.cropped)
        width, height = self.size.size
        box = (left, top, left + width, top + height)
        return [each.crop(box) for each in self._enlarged(context, self.upscaler)]

    def picture(self, request: ResolvedRequest) -> None:
        """Return None: the previous pass makes them."""

    def _enlarged(self, context: StartContext, upscaler: Upscaler) -> list[Image.Image]:
        where = UpscalingContext(context.model.device, context.cancellation, notice=context.notice)
        return [
            upscaler.upscale(image, *self.size.scaled, where) for image in self._results(context)
        ]

    def _results(self, context: StartContext) -> list[Image.Image]:
        """Return the pictures of the pass before. One that changes nothing has those that it starts
        from, which keep what the VAE would lose."""
        before = self.before
        if before.start is None or not _changes_nothing(before):
            return context.decode_before()
        return before.start.images(replace(context, request=before.request))


class HiresFix(Feature[OpenedHires]):
    """Adds a pass that starts from the enlarged result of those before."""

    name = "hires"

    def __init__(self, upscalers: Upscalers) -> None:
        self._upscalers = upscalers

    def open(self, request: GenerationRequest) -> OpenedHires | None:
        """Find the upscaler. Raises the errors of `Upscalers.find`."""
        section = request.hires
        if section is None:
            return None
        section = replace(
            section,
            prompt=without_tags(section.prompt, request),
            negative_prompt=without_tags(section.negative_prompt, request),
        )
        return OpenedHires(section, self._find(section.upscaler))

    def check(self, section: OpenedHires, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if the model can't start from pictures, and
        InvalidRequestError for what only Stable Diffusion can do: to go on from enlarged latents,
        and to run no step."""
        check_starts(description, "hires")
        given = section.section
        if description.is_stable_diffusion:
            return
        if given.upscaler in LATENT_UPSCALERS:
            message = "works with Stable Diffusion only: take an upscaler of pictures, e.g. Lanczos"
            raise InvalidRequestError([Problem("hires_upscaler", given.upscaler, message)])
        if given.strength == 0:
            message = "must be more than 0 for this model; to make pictures larger, use upscale"
            raise InvalidRequestError([Problem("hires_strength", given.strength, message)])

    def for_model(self, section: OpenedHires, description: ModelDescription) -> OpenedHires:
        """Fill in the model's native values. Where latents can't be enlarged, pictures are."""
        given, native = section.section, description.native
        upscaler = given.upscaler or native.get("hires_upscaler")
        if not description.is_stable_diffusion and upscaler in (None, *LATENT_UPSCALERS):
            upscaler = LANCZOS
        strength = given.strength
        if strength is None:
            strength = native.get("hires_strength")
        steps = given.steps or native.get("hires_steps")
        return replace(
            section,
            section=replace(given, upscaler=upscaler, steps=steps),
            upscaler=self._find(upscaler),
            strength=DEFAULT_HIRES_STRENGTH if strength is None else strength,
            needs_steps=not description.is_stable_diffusion,
        )

    def _find(self, name: str | None) -> Upscaler | None:
        """Return an upscaler of pictures, None for one of latents."""
        return None if name is None or name in LATENT_UPSCALERS else self._upscalers.find(name)

    def embedding_key(self, section: OpenedHires, pass_: Pass) -> None:
        """Return None: each pass has its own prompts."""

    def passes(self, section: OpenedHires, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Add the second pass. Raises InvalidRequestError if it gets too large."""
        if not section.enlargement:
            return passes
        last = passes[-1]
        size = _size(section, last.request)
        steps = section.section.steps or last.request.num_inference_steps
        request = _request(section.section, last.request, size)
        start = FromEnlarged(size, section.upscaler, section.latent, last)
        hires = Pass(
            request=replace(request, num_inference_steps=scheduled_steps(steps, section.strength)),
            start=start,
            strength=section.strength,
            last_steps=steps if section.strength else 0,
            first=last,
            masked=last.masked,
            name=HIRES,
            model=section.section.model,
        )
        if section.needs_steps and start.has_pictures and _changes_nothing(last):
            return (*passes[:-1], hires)
        return (*passes, hires)

    def rungs(self, section: OpenedHires) -> tuple[Rung, ...]:
        """Enlarge less, then not at all: the first pass is kept."""
        return (Rung("smaller hires", _STAGES, False, _enlarge_less),)

    def settings(self, section: OpenedHires) -> Mapping[str, object]:
        """Return the values for the record; none if there was no second pass."""
        if not section.enlargement:
            return REQUEST_FIELDS.defaults("hires")
        values: dict[str, object] = {
            "hires_scale": section.section.scale,
            "hires_width": section.section.width,
            "hires_height": section.section.height,
            "hires_strength": section.strength,
            "hires_upscaler": section.latent,
            "hires_steps": section.section.steps,
        }
        if section.upscaler is not None:
            values["hires_upscaler"] = section.upscaler.name
            values["hires_upscaler_hash"] = section.upscaler.sha256
        return values


def _changes_nothing(pass_: Pass) -> bool:
    """True if a pass starts from pictures, and runs no step."""
    return pass_.start is not None and pass_.start.has_pictures and not pass_.expected_steps


def scheduled_steps(steps: int, strength: float) -> int:
    """Return the number of steps of a schedule whose last `steps` begin at the noise of a strength
    (0 to 1), as in A1111 (`setup_img2img_steps` in modules/sd_samplers_common.py)."""
    return int(steps / min(strength, _LARGEST_STRENGTH)) if strength else steps


def _size(section: OpenedHires, request: ResolvedRequest) -> HiresSize:
    multiple = request.size_multiple
    full = section.section.enlarged(request.width, request.height, multiple)
    for name, side in zip(("width", "height"), full.size, strict=True):
        if not multiple <= side <= LARGEST_HIRES_SIDE:
            message = f"gives a {name} of {side} pixels, where {LARGEST_HIRES_SIDE} are the most"
            raise InvalidRequestError([Problem("hires_scale", section.section.scale, message)])
    return full.reduced(request.width, request.height, section.enlargement, multiple)


def _request(section: Hires, request: ResolvedRequest, size: HiresSize) -> ResolvedRequest:
    width, height = size.size
    guidance = section.guidance_scale
    return replace(
        request,
        prompt=section.prompt or request.prompt,
        negative_prompt=section.negative_prompt or request.negative_prompt,
        sampler=section.sampler or request.sampler,
        guidance_scale=request.guidance_scale if guidance is None else guidance,
        width=width,
        height=height,
    )


def _enlarge_less(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    section, resolved = plan.sections.get(HiresFix.name), plan.resolved
    if not isinstance(section, OpenedHires) or resolved is None or not plan.is_later_pass:
        return None
    share = next((each for each in _LESS if each < section.enlargement), None)
    if share is None:
        return None
    less = replace(section, enlargement=share)
    before, after = (_size(each, resolved).size for each in (section, less))
    changes = f"hires {before[0]}×{before[1]} → {after[0]}×{after[1]}" if share else "no hires pass"
    return replace(plan, sections={**plan.sections, HiresFix.name: less}), changes
