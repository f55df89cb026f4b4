"""References: pictures that an editing model uses besides the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sdtui.engine.features.feature import Feature
from sdtui.engine.passes import Pass
from sdtui.models import ModelDescription
from sdtui.requests.input_images import InitImage, open_init_image
from sdtui.requests.request import GenerationRequest
from sdtui.requests.shapes import size_of_shape


@dataclass(frozen=True)
class OpenedReferences:
    """The pictures behind the init image."""

    opened: tuple[InitImage, ...]


class References(Feature[OpenedReferences]):
    name = "references"
    fields = ("references",)

    def open(self, request: GenerationRequest) -> OpenedReferences | None:
        """Open the pictures. Raises ImageError."""
        files = request.editing.references
        opened = tuple(open_init_image(each, "reference") for each in files)
        return OpenedReferences(opened) if opened else None

    def supports(self, section: OpenedReferences, description: ModelDescription) -> bool:
        """Return whether the model edits; the run was refused if not, unless it has another model
        for a later pass."""
        return description.traits.edits

    def size(
        self, section: OpenedReferences, native: tuple[int, int], multiple: int
    ) -> tuple[int, int]:
        """Return the shape of the first picture, with about as many pixels as the native size."""
        return size_of_shape(section.opened[0].image.size, native, multiple)

    def embedding_key(self, section: OpenedReferences, pass_: Pass) -> None:
        """Return None: the family knows whether the prompts are encoded with the pictures."""

    def passes(self, section: OpenedReferences, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Give the pictures to the first pass."""
        first, *others = passes
        pictures = (each.image for each in section.opened)
        return (replace(first, references=(*first.references, *pictures)), *others)

    def parents(self, section: OpenedReferences) -> tuple[str, ...]:
        """Return the hashes of the pictures' files."""
        return tuple(dict.fromkeys(each.sha256 for each in section.opened))

    def settings(self, section: OpenedReferences) -> Mapping[str, object]:
        """Return nothing: the request names the pictures."""
        return {}
