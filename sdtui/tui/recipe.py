"""The recipe: the texts of all fields of the next request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.sections.image_to_image import default_strength
from sdtui.requests.sections.outpaint import extended_size
from sdtui.tui.fields import usual_sizes
from sdtui.tui.form_texts import FormTexts

if TYPE_CHECKING:
    from sdtui.models import NativeValues

_SIDES = ("width", "height")
_USUAL_SIDE = 512
"""Pixels, for a model whose native size isn't known."""


class Recipe(FormTexts):
    """The form, the chips and the prompt editors show it and change it."""

    def __init__(
        self, settings: Mapping[str, object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(REQUEST_FIELDS, settings, clock)
        self._native: NativeValues | None = None
        self._hires_scale: float | None = None
        self._init_image_size: tuple[int, int] | None = None
        self.last_seed: int | None = None
        """The seed of the last picture."""

    def native(self, name: str) -> object:
        """Return the value that a field has while it is open: the model's own, or what the other
        fields ask for. None if there is none or the model isn't known yet."""
        if name == "strength":
            outpaint, fill = self._texts.get("outpaint"), self._texts.get("inpaint_fill")
            return default_strength(outpaint=outpaint, fill=fill)
        if name in _SIDES and (kept := self._kept_size) is not None:
            return kept[_SIDES.index(name)]
        if name == "hires_scale":
            return self._hires_scale
        return None if self._native is None else self._native.get(name)

    @property
    def _kept_size(self) -> tuple[int, int] | None:
        """The size of the init image with its borders, if the picture keeps it: where a part of it
        is repainted, and width and height are left open."""
        given = [self._texts[name].strip() or self._defaults[name] for name in _SIDES]
        borders = self._texts["outpaint"].strip()
        if self._init_image_size is None or any(given):
            return None
        if not borders:
            return self._init_image_size if self._texts["mask_image"].strip() else None
        try:
            return extended_size(self._init_image_size, borders)
        except ValueError:
            return None

    def use_init_image_size(self, size: tuple[int, int] | None) -> None:
        """Take the width and height of the init image, in pixels; None if it can't be read."""
        before = {name: self.native(name) for name in _SIDES}
        self._init_image_size = size
        self._notify(frozenset(name for name in _SIDES if self.native(name) != before[name]))

    @property
    def usual_sizes(self) -> list[tuple[int, int]]:
        """Common widths and heights for the model."""
        native = None if self._native is None else self._native.get("width")
        return usual_sizes(native if isinstance(native, int) else _USUAL_SIDE)

    @property
    def steps(self) -> int | None:
        """Return the steps of the recipe, else the model's own; None if they are unknown."""
        text, native = self["num_inference_steps"], self.native("num_inference_steps")
        if text.isdecimal() and text.isascii() and len(text) < 4:
            return int(text)
        return native if isinstance(native, int) else None

    @property
    def native_values(self) -> NativeValues | None:
        """The values that `use_native` was given last."""
        return self._native

    def use_native(self, native: NativeValues) -> None:
        """Take the values of another model as those of the fields that are left open."""
        before = {name: (self.native(name), self.leaves_out(name)) for name in self.fields}
        self._native = native
        after = {name: (self.native(name), self.leaves_out(name)) for name in self.fields}
        self._notify(frozenset(name for name in before if after[name] != before[name]))

    def use_hires_scale(self, scale: float | None) -> None:
        """Take the scale of the hires fix that a picture goes through by itself, None if it goes
        through none."""
        before, self._hires_scale = self._hires_scale, scale
        if scale != before:
            self._notify(frozenset({"hires_scale"}))

    def leaves_out(self, name: str) -> bool:
        """Return True for a field that few models have, where it has neither effect nor value."""
        has_effect = self._native is not None and name not in self._unused
        return self.fields[name].is_rare and not has_effect and not self.is_changed(name)
