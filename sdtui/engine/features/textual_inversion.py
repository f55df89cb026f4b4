"""Textual inversion: embeddings named in prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sdtui.core.settings import Settings
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.lora import find_loras
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.models import ModelDescription
from sdtui.models.embeddings import (
    MOST_VECTORS,
    Embedding,
    bundled_embeddings,
    embeddings_in,
    text_widths,
)
from sdtui.requests.request import GenerationRequest


@dataclass(frozen=True)
class UsedEmbeddings:
    """The embeddings that a request's prompts name, and what the user should know about others."""

    embeddings: tuple[Embedding, ...]
    notices: tuple[str, ...] = ()


class TextualInversion(Feature[UsedEmbeddings]):
    """Puts the vectors of embeddings in place of their names. Neither tokenizer nor weights are
    changed."""

    name = "textual_inversion"
    fields = ("embeddings",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, request: GenerationRequest) -> UsedEmbeddings | None:
        """Find the files of the names in the prompts, also in the LoRAs in use. One that can't be
        used is left out. Raises the errors of `find_loras`."""
        loras = find_loras(request, self._settings).loras
        bundled = [each for _, lora in loras for each in bundled_embeddings(lora.path, lora.header)]
        texts = [request.prompt, request.negative_prompt]
        if request.hires is not None:
            texts += [request.hires.prompt, request.hires.negative_prompt]
        found, notices = embeddings_in(texts, self._settings, bundled)
        return UsedEmbeddings(tuple(found), tuple(notices)) if found or notices else None

    def supports(self, section: UsedEmbeddings, description: ModelDescription) -> bool:
        """True for Stable Diffusion."""
        return description.is_stable_diffusion

    def for_model(self, section: UsedEmbeddings, description: ModelDescription) -> UsedEmbeddings:
        """Leave out embeddings that were made for other text encoders."""
        widths = text_widths(description)
        problems = {each: _problem(each, widths) for each in section.embeddings}
        return UsedEmbeddings(
            tuple(each for each, problem in problems.items() if not problem),
            (*section.notices, *filter(None, problems.values())),
        )

    def notices(self, section: UsedEmbeddings, model: LoadedModel) -> Sequence[str]:
        return section.notices

    def embedding_key(self, section: UsedEmbeddings, pass_: Pass) -> None:
        """Return None: they are options of the encoding."""

    def encode_options(
        self, section: UsedEmbeddings, model: LoadedModel, options: EncodeOptions
    ) -> EncodeOptions:
        return replace(options, embeddings=section.embeddings)

    def settings(self, section: UsedEmbeddings) -> Mapping[str, object]:
        """Return the files' hashes for the record."""
        used = [{"name": each.name, "sha256": each.sha256} for each in section.embeddings]
        return {"embedding_files": used} if used else {}


def _problem(embedding: Embedding, widths: Sequence[int]) -> str | None:
    """Return why a model with text encoders of these widths can't use an embedding."""
    if not embedding.fits(widths):
        wanted = " and ".join(map(str, widths))
        return (
            f"the embedding {embedding.name} was left out: its vectors are {embedding.width} wide, "
            f"and this model's text encoders {wanted}"
        )
    if embedding.vectors > MOST_VECTORS:
        return (
            f"the embedding {embedding.name} was left out: it has {embedding.vectors} vectors, and "
            f"a chunk has {MOST_VECTORS} tokens"
        )
    return None
