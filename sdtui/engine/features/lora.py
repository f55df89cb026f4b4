"""LoRAs: of the request and of tags in its prompt, merged into the loaded model."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sdtui.core.enums import UnusableLoras
from sdtui.core.errors import ModelError, UnsupportedModelError
from sdtui.core.prompt_syntax.tags import read_tags
from sdtui.core.prompt_tags import LoraUse
from sdtui.core.settings import Settings
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.lora.active_set import OpenedLora
from sdtui.engine.passes import Batch, Pass
from sdtui.models import Lora as FoundLora
from sdtui.models import ModelDescription, NativeValues
from sdtui.models.lora_header import families_fit, family_name
from sdtui.models.loras import find_lora
from sdtui.models.native import with_loras
from sdtui.requests.lora_uses import (
    all_lora_uses,
    check_uses,
    hires_lora_uses,
    lora_uses,
    tagged_hires_prompt,
    tagged_prompt,
    use_problem,
)
from sdtui.requests.record import LoraRecord, Stage
from sdtui.requests.request import GenerationRequest


@dataclass(frozen=True)
class OpenedLoras:
    """The LoRAs of a request with a weight, and what the user should know about them."""

    loras: tuple[OpenedLora, ...]
    hires: tuple[OpenedLora, ...] = ()
    """Those of the hires pass, and of what goes on from it."""
    notices: tuple[str, ...] = ()
    unusable: UnusableLoras = UnusableLoras.REFUSE

    def of(self, pass_: Pass) -> tuple[OpenedLora, ...]:
        """Return the LoRAs of a pass."""
        return self.loras if pass_.first is None else self.hires

    @property
    def all(self) -> tuple[OpenedLora, ...]:
        """Those of all passes: one that both passes have alike is there once."""
        return (*self.loras, *(each for each in self.hires if each not in self.loras))


@dataclass(frozen=True)
class FoundLoras:
    """The files of the LoRAs with a weight that a request names."""

    loras: tuple[tuple[LoraUse, FoundLora], ...]
    notices: tuple[str, ...]
    """Why others were left out."""


def find_loras(request: GenerationRequest, settings: Settings) -> FoundLoras:
    """Find the files of a request's LoRAs. Unless it leaves out those that can't be used, raises
    InvalidRequestError and the errors of `find_lora`."""
    leaves_out = request.adapters.unusable_loras is UnusableLoras.LEAVE_OUT
    if not leaves_out:
        check_uses(request)
    problems = (*tagged_prompt(request).problems, *tagged_hires_prompt(request).problems)
    notices = list(dict.fromkeys(problems))
    found = []
    for use in all_lora_uses(request):
        problem = use_problem(use)
        try:
            if problem is None and (use.te or use.unet):
                found.append((use, find_lora(use.name, settings)))
        except ModelError as error:
            if not leaves_out:
                raise
            problem = str(error)
        if problem is not None:
            notices.append(_left_out(use.name, problem))
    return FoundLoras(tuple(found), tuple(notices))


def _negative_texts(request: GenerationRequest) -> str:
    """Return the negative prompts of both passes."""
    of_hires = "" if request.hires is None else request.hires.negative_prompt
    return f"{request.negative_prompt}\n{of_hires}"


def _left_out(name: str, reason: str) -> str:
    return f"the LoRA {name} was left out: {reason}"


def _misfit(lora: OpenedLora, description: ModelDescription) -> str | None:
    """Return why a LoRA doesn't fit a model, as far as its header shows it."""
    if lora.family is None or families_fit(lora.family, description.family) is not False:
        return None
    model = description.family_name
    return f"is made for {family_name(lora.family)}, and this model is {model}"


class Lora(Feature[OpenedLoras]):
    """Merges LoRAs into the loaded model. They stay merged until a run has others."""

    name = "lora"
    stages = frozenset({Stage.ENCODE, Stage.DENOISE})
    fields = ("loras",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, request: GenerationRequest) -> OpenedLoras | None:
        """Find the LoRAs' files. Raises the errors of `find_loras`."""
        found = find_loras(request, self._settings)
        opened = {
            use: OpenedLora(use, lora.path, lora.family, lora.autov2, lora.autov3)
            for use, lora in found.loras
        }
        negative = read_tags(_negative_texts(request), request.encoding.prompt_syntax)
        section = OpenedLoras(
            loras=tuple(opened[use] for use in lora_uses(request) if use in opened),
            hires=tuple(opened[use] for use in hires_lora_uses(request) if use in opened),
            notices=(
                *found.notices,
                *(
                    f"the LoRA {each.name} in the negative prompt was left out"
                    for each in negative.loras
                ),
            ),
            unusable=request.adapters.unusable_loras,
        )
        return section if opened or section.notices else None

    def check(self, section: OpenedLoras, description: ModelDescription) -> None:
        """Raise UnsupportedModelError for a LoRA whose header shows another family."""
        if section.unusable is UnusableLoras.LEAVE_OUT:
            return
        for lora in section.all:
            misfit = _misfit(lora, description)
            if misfit is not None:
                raise UnsupportedModelError(
                    f"the LoRA {lora.name} {misfit}", "Use another LoRA, or another model"
                )

    def for_model(self, section: OpenedLoras, description: ModelDescription) -> OpenedLoras:
        """Leave out LoRAs of other families."""
        misfits = [(lora, _misfit(lora, description)) for lora in section.all]
        notices = [_left_out(lora.name, f"it {misfit}") for lora, misfit in misfits if misfit]
        fitting = [lora for lora, misfit in misfits if not misfit]
        return replace(
            section,
            loras=tuple(lora for lora in section.loras if lora in fitting),
            hires=tuple(lora for lora in section.hires if lora in fitting),
            notices=(*section.notices, *notices),
        )

    def native_values(
        self, section: OpenedLoras, description: ModelDescription, native: NativeValues
    ) -> NativeValues:
        """Return those of a LoRA that makes a model of few steps."""
        names = (each.name for each in section.loras if each.use.unet > 0)
        return with_loras(native, description.family, names)

    @contextmanager
    def apply(self, section: OpenedLoras, model: LoadedModel) -> Iterator[None]:
        """Merge the LoRAs of the first pass, unless they are merged already."""
        self._merge(section, model, section.loras)
        yield

    def before_encoding(self, section: OpenedLoras, model: LoadedModel, pass_: Pass) -> None:
        """Merge those of a pass."""
        self._merge(section, model, section.of(pass_))

    @contextmanager
    def denoising(self, section: OpenedLoras, model: LoadedModel, batch: Batch) -> Iterator[None]:
        """Merge the LoRAs of the pass, and what is to be merged at each step where some begin or
        end. Steps are counted as those of prompts: calls of the denoiser, from 0."""
        loras = section.of(batch.pass_)
        self._merge(section, model, loras)
        if model.denoiser is None or not any(lora.use.changes_by_step for lora in loras):
            yield
            return
        calls = itertools.count()

        def before_call(*_: object) -> None:
            step = next(calls)
            self._merge(section, model, tuple(each.at(step) for each in loras))

        handle = model.denoiser.register_forward_pre_hook(before_call)
        try:
            yield
        finally:
            handle.remove()
            self._merge(section, model, loras)

    def _merge(
        self, section: OpenedLoras, model: LoadedModel, loras: tuple[OpenedLora, ...]
    ) -> None:
        takes_parts = section.unusable is UnusableLoras.LEAVE_OUT
        model.loras.use(model.pipeline, loras, takes_parts=takes_parts)

    def reset(self, model: LoadedModel) -> None:
        """Give the model its own weights back."""
        model.loras.use(model.pipeline, ())

    def notices(self, section: OpenedLoras, model: LoadedModel) -> Sequence[str]:
        """Return what was left out."""
        return (*section.notices, *model.loras.notices)

    def embedding_key(self, section: OpenedLoras, pass_: Pass) -> Hashable:
        """Return the LoRAs that change the text encoders."""
        keys = tuple(key for lora in section.of(pass_) if (key := lora.encoding_key) is not None)
        return keys or None

    def settings(self, section: OpenedLoras) -> Mapping[str, object]:
        """Return the files' hashes for the record."""
        used = [
            LoraRecord(
                name=lora.mention,
                autov2=lora.autov2,
                autov3=lora.autov3,
                te=lora.use.te,
                unet=lora.use.unet,
            )
            for lora in section.all
        ]
        return {"lora_files": used} if used else {}
