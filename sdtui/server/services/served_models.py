"""Which models a request may name: never a path."""

from __future__ import annotations

import re
from pathlib import Path

from sdtui.core.errors import ModelNotFoundError
from sdtui.core.nearest import nearest
from sdtui.core.settings import Settings
from sdtui.models.catalog import ModelSource, find_model, installed_models
from sdtui.models.description import describe_model

_LARGE = 1024
"""Pixels of a side that a model not yet described is taken to have."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class ServedModels:
    """The default model, and those of the catalogue by their names."""

    def __init__(self, settings: Settings, *, allow_downloads: bool) -> None:
        self._settings = settings
        self._allow_downloads = allow_downloads
        self.default = settings.model

    def sources(self) -> list[ModelSource]:
        """Every model that can be named, the default one first. Reads folders."""
        folders = self._settings.model_folders
        found = {source.name: source for source in installed_models(folders)}
        if (default := found.pop(self.default, None)) is not None:
            return [default, *found.values()]
        default = find_model(self.default, folders)  # named by its path
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
        if self._allow_downloads and _HUB_ID.fullmatch(name) and not Path(name).exists():
            return name
        near = nearest(name[:200], names)
        raise ModelNotFoundError(
            f'there is no model "{name[:200]}" here',
            f'Did you mean "{near}"?' if near else "The list of models has the names",
        )

    def native_size(self, name: str) -> tuple[int, int]:
        """The width and height that a served model makes where a request leaves them open. Reads
        the model's configs. Raises ModelError for one that is damaged."""
        source = find_model(name, self._settings.model_folders)
        if source.path is None:
            return _LARGE, _LARGE
        native = describe_model(source.path).native
        return native.width or _LARGE, native.height or _LARGE


def _is_same(one: ModelSource, other: ModelSource) -> bool:
    if one.path is None or other.path is None:
        return False
    return one.path.resolve() == other.path.resolve()
