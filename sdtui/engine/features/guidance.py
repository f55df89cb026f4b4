"""CFG rescale and the guidance interval, by hooks on the UNet.

The pipelines combine the two halves of the UNet's output, u (without the prompt) and c (with it),
to u + guidance · (c - u). Where both halves are the same, that is the half itself, exactly: so the
hooks give the pipeline twice what they have combined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from sdtui.engine.denoiser_calls import rows_from, total_calls
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription
from sdtui.models.ignored import takes_field
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.guidance import Guidance as Section


class Guidance(Feature[Section]):
    """Changes when and how classifier-free guidance is applied."""

    name = "guidance"
    fields = ("guidance_rescale", "guidance_start", "guidance_end")

    def open(self, request: GenerationRequest) -> Section | None:
        """Return what differs from the defaults."""
        return None if request.guidance == Section() else request.guidance

    def supports(self, section: Section, description: ModelDescription) -> bool:
        """True for Stable Diffusion: other pipelines guide in their own ways."""
        return takes_field(description, "guidance_rescale")

    def embedding_key(self, section: Section, pass_: Pass) -> None:
        """Return None: the prompts are encoded as ever."""

    def denoising(
        self, section: Section, model: LoadedModel, batch: Batch
    ) -> AbstractContextManager[object]:
        """Guide as the section says, if the model guides at all."""
        scale = batch.pass_.request.guidance_scale
        if not model.description.uses_cfg(scale):
            return nullcontext()
        return _hooked(model.denoiser, _Hooks(section, model, batch.pass_, scale))

    def settings(self, section: Section) -> Mapping[str, object]:
        """Return what differs from the defaults, for the record."""
        usual = Section()
        return {
            name: getattr(section, name)
            for name in self.fields
            if getattr(section, name) != getattr(usual, name)
        }


@contextmanager
def _hooked(denoiser: nn.Module, hooks: _Hooks) -> Iterator[None]:
    handles = [
        denoiser.register_forward_pre_hook(hooks.before_call, with_kwargs=True),
        denoiser.register_forward_hook(hooks.after_call),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class _Hooks:
    """The hooks of one batch. They come before those of other features, which then see a batch
    without guidance, and their output after those."""

    section: Section
    model: LoadedModel
    pass_: Pass
    scale: float
    calls: int = 0
    is_guided: bool = True

    def before_call(
        self, _: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Leave the unconditional half of the batch out where there is no guidance."""
        was_guided, self.is_guided = self.is_guided, self._guides()
        self.calls += 1
        cache = self.model.speedups.reuse
        if cache is not None and was_guided != self.is_guided:
            cache.restart()  # its features have another number of rows
        if self.is_guided:
            return args, given
        sample: Tensor = args[0] if args else given["sample"]
        rows = len(sample)
        args = tuple(rows_from(each, rows // 2, rows) for each in args)
        return args, {name: rows_from(each, rows // 2, rows) for name, each in given.items()}

    def after_call(self, _: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """Combine the halves, or double what was computed without guidance."""
        if self.is_guided and not self.section.guidance_rescale:
            return output
        predicted: Tensor = output[0] if isinstance(output, tuple) else output.sample
        if self.is_guided:
            unconditional, conditional = predicted.chunk(2)
            guided = unconditional + self.scale * (conditional - unconditional)
            predicted = rescaled(guided, conditional, self.section.guidance_rescale)
        doubled = torch.cat([predicted, predicted])
        if isinstance(output, tuple):
            return (doubled, *output[1:])
        return replace(output, sample=doubled)

    def _guides(self) -> bool:
        """True if the next call of the denoiser is to be guided. As A1111 has it, guidance begins
        after the step that the share falls into."""
        total = total_calls(self.model.pipeline.scheduler, self.pass_)
        start, end = self.section.guidance_start, self.section.guidance_end
        has_begun = start == 0 or self.calls > start * total
        return has_begun and self.calls + 1 <= end * total


def rescaled(guided: Tensor, conditional: Tensor, share: float) -> Tensor:
    """Return a guided prediction, N x C x h x w, whose standard deviation is brought to that of the
    conditional one by `share`. Source: Lin et al. 2023 (Common diffusion noise schedules and sample
    steps are flawed), section 3.4."""
    dimensions = tuple(range(1, guided.ndim))
    wanted = conditional.std(dim=dimensions, keepdim=True)
    had = guided.std(dim=dimensions, keepdim=True)
    return share * (guided * (wanted / had)) + (1 - share) * guided
