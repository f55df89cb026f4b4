"""Choosing, saving and deleting a preset in a line: what is listed for what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.requests.presets import Preset
from sdtui.tui.fields import field_text
from sdtui.tui.recipe import Recipe
from sdtui.tui.value_editing import Option, ValueEditing, WrongTextError

NOT_SAVED = ("seed",)
"""Fields that no preset has."""
_PICTURES_OWN = (
    *("prompt", "negative_prompt", "init_image", "init_image_fit", "strength"),
    *("mask_image", "outpaint", "upscale_image"),
)
"""Fields of one picture rather than of a way to make pictures."""


class PresetAction(StrEnum):
    """What is done with a preset; an option's text is its name."""

    APPLY = "apply"
    SAVE = "save"
    SAVE_ALL = "save all"
    DELETE = "delete"
    BRING_BACK = "bring back"


class PresetChoice(ValueEditing):
    """The presets, and what can be done with the name that was typed."""

    needs_option = True
    added_options: ClassVar[int] = 4
    label: ClassVar[str] = "Preset"
    text: ClassVar[str] = ""
    placeholder: ClassVar[str] = "a name"

    def __init__(
        self, recipe: Recipe, presets: Mapping[str, Preset], lost: str | None = None
    ) -> None:
        """`lost` is the name of the preset that was deleted or replaced last."""
        super().__init__(recipe, "model")
        self._presets = presets
        self._lost = lost

    @property
    def about(self) -> str:
        """Say what the presets are for, or how to get one."""
        if self._presets:
            return "enter takes the preset; a new name saves one"
        return "write a name to save what you changed"

    def options(self, typed: str) -> Sequence[Option]:
        name = typed.strip()
        found = ranked(name, self._presets, lambda each: SearchText(each, self._summary(each)))
        options = [
            Option(each, f"{each}  {self._summary(each)}", PresetAction.APPLY) for each in found
        ]
        if self._lost is not None and name in ("", self._lost):
            back = f"bring back “{self._lost}” as it was"
            options.append(Option(self._lost, back, PresetAction.BRING_BACK))
        if not name:
            return options
        verb = "replace" if name in self._presets else "save"
        options += [
            Option(name, f"{verb} “{name}”: what you changed", PresetAction.SAVE),
            Option(name, f"{verb} “{name}”: the prompts, too", PresetAction.SAVE_ALL),
        ]
        if name in self._presets:
            options.append(Option(name, f"delete “{name}”", PresetAction.DELETE))
        return options

    def _summary(self, name: str) -> str:
        """Return the values of a preset in a few words."""
        fields = self.recipe.fields
        parts = (
            (fields[field].chip_short or "{}").replace("{}", fields[field].shown(text)).strip()
            for field, text in preset_texts(self._presets[name]).items()
            if field in fields
        )
        return one_line(" ".join(parts))

    def stepped(self, typed: str, by: int) -> str | None:
        return None

    def texts(self, typed: str) -> dict[str, str]:
        raise WrongTextError("choose a line of the list")


def preset_texts(preset: Preset) -> dict[str, str]:
    """Return the texts of a preset's values, by field."""
    return {name: field_text(value) for name, value in preset.items()}


def texts_to_save(recipe: Recipe, *, with_prompts: bool) -> dict[str, str]:
    """Return the texts for a preset: those that the user changed, without the seed, and without
    what belongs to one picture only, unless `with_prompts`."""
    left_out = NOT_SAVED if with_prompts else (*NOT_SAVED, *_PICTURES_OWN)
    return {
        name: text
        for name, text in recipe.texts.items()
        if name not in left_out and recipe.is_changed(name)
    }


def matching_preset(recipe: Recipe, presets: Mapping[str, Preset]) -> str:
    """Return the name of the preset whose values the recipe has, that with the most of them; "" if
    there is none."""
    found = [
        (len(values), name)
        for name, values in presets.items()
        if values and recipe.equals(preset_texts(values))
    ]
    return max(found, key=lambda each: each[0])[1] if found else ""
