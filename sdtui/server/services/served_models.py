"""Which models a request may name: never a path."""

from __future__ import annotations

import re

from sdtui.core.errors import ModelError, ModelNotFoundError
from sdtui.core.text import nearest
from sdtui.jobs import Models
from sdtui.models import ModelDescription, ModelSource, SourceKind

_LARGE = 1024
"""Pixels of a side that a model not yet described is taken to have."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class ServedModels:
    """The default model, and those of the catalogue by their names."""

    def __init__(self, models: Models, default: str, *, allow_downloads: bool) -> None:
        self._models = models
        self._allow_downloads = allow_downloads
        self.default = default

    def sources(self) -> list[ModelSource]:
        """Every model that can be named, the default one first. Reads folders."""
        found = {source.name: source for source in self._models.installed()}
        if (default := found.pop(self.default, None)) is not None:
            return [default, *found.values()]
        default = self._models.find(self.default)  # named by its path
        return [default, *(each for each in found.values() if not _is_same(each, default))]

    def resolve(self, name: str | None) -> str:
        """The name to ask the queue for; none = the default model. Reads folders.

        Raises ModelNotFoundError, with the nearest name, for everything that isn't served.
        """
        if name is None or name == self.default:
            return self.default
        names = [source.name for source in self.sources()]
        if name in names:
            return name
        if self._allow_downloads and _HUB_ID.fullmatch(name) and self._is_on_hub(name):
            return name
        near = nearest(name[:200], names)
        raise ModelNotFoundError(
            f'there is no model "{name[:200]}" here',
            f'Did you mean "{near}"?' if near else "The list of models has the names",
        )

    def native_size(self, name: str) -> tuple[int, int]:
        """The width and height that a served model makes where a request leaves them open. Reads
        the model's configs. Raises ModelError for one that is damaged."""
        description = self._models.describe(self._models.find(name))
        if description is None:
            return _LARGE, _LARGE
        native = description.native
        return native.width or _LARGE, native.height or _LARGE

    def describe(self, source: ModelSource) -> ModelDescription | None:
        """Describe a served model, unless it isn't downloaded yet. Raises ModelError."""
        return self._models.describe(source)

    def _is_on_hub(self, name: str) -> bool:
        """False if a file or folder has this name."""
        try:
            return self._models.find(name).kind is SourceKind.HUB
        except ModelError:
            return False


def _is_same(one: ModelSource, other: ModelSource) -> bool:
    if one.path is None or other.path is None:
        return False
    return one.path.resolve() == other.path.resolve()
