"""LoRAs: of the request and of tags in its prompt, merged into the loaded model."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sdtui.core.errors import InvalidRequestError, Problem, UnsupportedModelError
from sdtui.core.prompt_syntax.comments import strip_comments
from sdtui.core.prompt_tags import LoraUse, parse_lora, take_tags
from sdtui.core.settings import Settings
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.lora.active_set import OpenedLora
from sdtui.engine.lora.blocks import BlockWeightError, parse_block_weights
from sdtui.engine.passes import Pass
from sdtui.models import ModelDescription
from sdtui.models.lora_header import families_fit, family_name
from sdtui.models.loras import find_lora
from sdtui.requests.record import LoraRecord
from sdtui.requests.request import GenerationRequest


@dataclass(frozen=True)
class OpenedLoras:
    """The LoRAs of a request with a weight, and what the user should know about them."""

    loras: tuple[OpenedLora, ...]
    notices: tuple[str, ...] = ()


def lora_uses(request: GenerationRequest) -> list[LoraUse]:
    """Return the LoRAs of a request with a weight: those of its field, and of tags in its
    prompt."""
    tagged = take_tags(strip_comments(request.prompt))
    uses = [*map(parse_lora, request.adapters.loras), *tagged.loras]
    return [use for use in uses if use.te or use.unet]


class Lora(Feature[OpenedLoras]):
    """Merges LoRAs into the loaded model. They stay merged until a run has others."""

    name = "lora"
    fields = ("loras",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, request: GenerationRequest) -> OpenedLoras | None:
        """Find the LoRAs' files. Raises InvalidRequestError, and the errors of `find_lora`."""
        tagged = take_tags(strip_comments(request.prompt))
        negative = take_tags(strip_comments(request.negative_prompt))
        if tagged.problems:
            raise InvalidRequestError([Problem("prompt", "", each) for each in tagged.problems])
        opened = tuple(self._opened(use) for use in lora_uses(request))
        notices = tuple(
            f"the LoRA {each.name} in the negative prompt was left out" for each in negative.loras
        )
        return OpenedLoras(opened, notices) if opened or notices else None

    def _opened(self, use: LoraUse) -> OpenedLora:
        if use.blocks:
            try:
                parse_block_weights(use.blocks)
            except BlockWeightError as error:
                message = f"{use.name}: lbw={use.blocks} {error}"
                raise InvalidRequestError([Problem("loras", use.blocks, message)]) from error
        if use.start is not None or use.stop is not None:
            message = f"{use.name}: LoRAs can't begin or end at a step yet"
            raise InvalidRequestError([Problem("loras", str(use), message)])
        lora = find_lora(use.name, self._settings)
        return OpenedLora(use, lora.path, lora.family, lora.autov2, lora.autov3)

    def check(self, section: OpenedLoras, description: ModelDescription) -> None:
        """Raise UnsupportedModelError for a LoRA whose header shows another family."""
        for lora in section.loras:
            if lora.family and families_fit(lora.family, description.family) is False:
                raise UnsupportedModelError(
                    f"the LoRA {lora.name} is made for {family_name(lora.family)}, and this model "
                    f"is {family_name(description.family)}",
                    "Use another LoRA, or another model",
                )

    @contextmanager
    def apply(self, section: OpenedLoras, model: LoadedModel) -> Iterator[None]:
        """Merge the LoRAs, unless they are merged already."""
        model.loras.use(model.pipeline, section.loras)
        yield

    def reset(self, model: LoadedModel) -> None:
        """Give the model its own weights back."""
        model.loras.use(model.pipeline, ())

    def notices(self, section: OpenedLoras, model: LoadedModel) -> Sequence[str]:
        """Return what was left out."""
        return (*section.notices, *model.loras.notices)

    def embedding_key(self, section: OpenedLoras, pass_: Pass) -> Hashable:
        """Return the LoRAs that change the text encoders."""
        keys = tuple(key for lora in section.loras if (key := lora.encoding_key) is not None)
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
            for lora in section.loras
        ]
        return {"lora_files": used} if used else {}
