"""The models that requests may name, never by a path."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping

from sdtui.core.errors import ModelError, ModelNotFoundError
from sdtui.core.text import nearest
from sdtui.jobs import Models
from sdtui.models import ModelDescription, ModelSource, SourceKind, TokenCounter, model_of_name
from sdtui.requests.request import SIZE_MULTIPLE

_DEFAULT_SIDE = 1024
"""Pixels of a side assumed for a model that isn't downloaded."""
_DEFAULT_STEPS = 50
"""Steps assumed for such a model."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class ServedModels:
    """The default model and the installed models, by name."""

    def __init__(
        self,
        models: Models,
        default: str,
        *,
        allow_downloads: bool,
        only: Collection[str] | None = None,
    ) -> None:
        """`only` are the names of those that are served; None = all. If the default model isn't
        one of them, the first is."""
        self._models = models
        self._allow_downloads = allow_downloads
        self._only = only
        self.default = default if self.serves(default) else next(iter(only or ()))
        self._counters: tuple[str, Mapping[str, TokenCounter]] = ("", {})
        """Those of the model that was counted with last: reading a tokenizer may take a second."""

    def serves(self, name: str) -> bool:
        """True if a model of this name is served, if it is there."""
        return self._only is None or name in self._only

    def sources(self) -> list[ModelSource]:
        """All models, the default one first, also those that can't be used. Reads folders."""
        by_name = {
            source.name: source for source in self._models.installed() if self.serves(source.name)
        }
        if (default := by_name.pop(self.default, None)) is not None:
            return [default, *by_name.values()]
        try:
            default = self._models.find(self.default)  # the default is given by its path
        except ModelError:  # it was removed
            return [*by_name.values()]
        return [default, *(each for each in by_name.values() if not _is_same(each, default))]

    def usable(self) -> list[ModelSource]:
        """The models that can be used, the default one first. Reads the configs of all models."""
        return [source for source in self.sources() if self._is_usable(source)]

    def resolve(self, name: str | None) -> str:
        """The model name for the queue; None stands for the default model. Reads folders.

        Raises ModelNotFoundError with the nearest name if the model isn't served, or another
        ModelError if it can't be used.
        """
        if name is None or name == self.default:
            return self.default
        sources = self.sources()
        own = (each for each in sources if each.kind is not SourceKind.HUB)
        found = next((each for each in sources if each.name == name), None)
        if found := found or model_of_name(name, own):
            self._models.describe(found)
            return found.name
        may_download = self._allow_downloads and self.serves(name)
        if may_download and _HUB_ID.fullmatch(name) and self._is_on_hub(name):
            return name
        near = nearest(name[:200], [source.name for source in sources])
        raise ModelNotFoundError(
            f'there is no model "{name[:200]}" here',
            f'Did you mean "{near}"?' if near else "The list of models has the names",
        )

    def native_size(self, name: str) -> tuple[int, int]:
        """The native width and height of a model in pixels. Reads its configs.

        Raises ModelError if it is damaged.
        """
        description = self._models.describe(self._models.find(name))
        if description is None:
            return _DEFAULT_SIDE, _DEFAULT_SIDE
        native = description.native
        return native.width or _DEFAULT_SIDE, native.height or _DEFAULT_SIDE

    def native_steps(self, name: str) -> int:
        """The number of steps where a request leaves it open. Reads the model's configs.

        Raises ModelError if it is damaged.
        """
        description = self._models.describe(self._models.find(name))
        steps = None if description is None else description.native.num_inference_steps
        return steps or _DEFAULT_STEPS

    def size_multiple(self, name: str) -> int:
        """The number of pixels that the sides of a model's pictures are multiples of. Reads its
        configs.

        Raises ModelError if it is damaged.
        """
        description = self.describe(self._models.find(name))
        multiple = 1 if description is None else description.size_multiple
        return math.lcm(SIZE_MULTIPLE, multiple)

    def takes_references(self, name: str) -> bool:
        """Return whether a model makes one picture of several that it is given. Reads its configs.

        Raises ModelError if it is damaged.
        """
        description = self.describe(self._models.find(name))
        return description is not None and description.traits.several_references

    def enlarges_latents(self, name: str) -> bool:
        """Return whether a hires fix can go on from enlarged latents: with Stable Diffusion, and
        perhaps with what isn't downloaded. Reads a model's configs.

        Raises ModelError if it is damaged.
        """
        description = self.describe(self._models.find(name))
        return description is None or description.is_stable_diffusion

    def has_true_cfg(self, name: str) -> bool:
        """Return whether a model takes CFG besides a scale that is distilled into it. Reads its
        configs.

        Raises ModelError if it is damaged.
        """
        description = self.describe(self._models.find(name))
        return description is not None and description.traits.true_guidance is not None

    def tokens(self, name: str, text: str) -> int:
        """Return the tokens of a text for that of a model's text encoders which makes most of it; 0
        if no tokenizer can be read. Reads its configs."""
        counted, counters = self._counters
        if counted != name:
            try:
                counters = self._models.token_counters(self._models.find(name))
            except ModelError:  # it was removed, or replaced by a damaged one
                return 0
            self._counters = name, counters
        return max((each.count(text).tokens for each in counters.values()), default=0)

    def describe(self, source: ModelSource) -> ModelDescription | None:
        """Describe a model; None if it isn't downloaded yet. Raises ModelError."""
        return self._models.describe(source)

    def _is_usable(self, source: ModelSource) -> bool:
        try:
            self._models.describe(source)
        except ModelError:
            return False
        return True

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
