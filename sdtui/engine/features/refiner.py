"""The refiner: another model takes the last steps of the last pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from PIL import Image

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.engine.features.feature import Feature
from sdtui.engine.memory.ladder import Plan, Rung
from sdtui.engine.passes import Pass, StartContext
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription
from sdtui.models.ignored import takes_field
from sdtui.requests.record import Stage
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.requests.sections.refiner import Refiner as Section

_STAGES = frozenset({Stage.LOAD, Stage.PREPARE, Stage.DENOISE})


@dataclass(frozen=True)
class FromUnfinished:
    """Starts a pass from what the previous one has left unfinished, noise and all."""

    @property
    def has_pictures(self) -> bool:
        """False: noise can't be decoded."""
        return False

    def latents(self, context: StartContext) -> torch.Tensor:
        """Return the latents of the previous pass.

        The generators go on by what its start and its steps have drawn at most, so that a sampler
        that adds noise doesn't add the same again.
        """
        before = context.before
        assert before is not None
        for generator in context.generators:
            drawn = context.request.num_inference_steps + 1
            torch.randn((drawn, *before.shape[1:]), generator=generator)
        return before.to(context.model.execution_device, context.model.denoiser.dtype)

    def images(self, context: StartContext) -> list[Image.Image]:
        raise NotImplementedError

    def picture(self, request: ResolvedRequest) -> None:
        return None


@dataclass(frozen=True)
class OpenedRefiner:
    """The request's section."""

    section: Section
    is_replaced: bool = False
    """True if the model of the pass goes on itself, after the refiner ran out of memory."""


class Refiner(Feature[OpenedRefiner]):
    """Lets another model of the SDXL family take over at a share of the noise levels."""

    name = "refiner"
    fields = ("refiner",)

    def open(self, request: GenerationRequest) -> OpenedRefiner | None:
        if request.refiner is None:
            return None
        if request.inpainting is not None or request.outpainting is not None:
            message = "can't be combined with a mask or outpaint: do it with the finished picture"
            raise InvalidRequestError([Problem("refiner", request.refiner.model, message)])
        return OpenedRefiner(request.refiner)

    def supports(self, section: OpenedRefiner, description: ModelDescription) -> bool:
        """True for SDXL."""
        return takes_field(description, "refiner")

    def embedding_key(self, section: OpenedRefiner, pass_: Pass) -> None:
        """Return None: the embeddings belong to their model."""

    def passes(self, section: OpenedRefiner, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """End the last pass early, and let the refiner go on."""
        *others, last = passes
        switch_at = section.section.switch_at
        refined = replace(
            last,
            start=FromUnfinished(),
            strength=1.0,
            last_steps=None,
            begin=switch_at,
            name=self.name,
            model=last.model if section.is_replaced else section.section.model,
        )
        return (*others, replace(last, end=switch_at), refined)

    def rungs(self, section: OpenedRefiner) -> tuple[Rung, ...]:
        """Let the model before the refiner take its steps."""
        return (Rung("no refiner", _STAGES, False, _without),)

    def settings(self, section: OpenedRefiner) -> Mapping[str, object]:
        """Return the values for the record where they aren't those of the request."""
        return REQUEST_FIELDS.defaults("refiner") if section.is_replaced else {}


def _without(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    section = plan.sections.get(Refiner.name)
    if not isinstance(section, OpenedRefiner) or section.is_replaced or not plan.is_later_pass:
        return None
    sections = {**plan.sections, Refiner.name: replace(section, is_replaced=True)}
    return replace(plan, sections=sections), "the last steps without the refiner"
