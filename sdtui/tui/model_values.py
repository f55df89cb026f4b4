"""What a recipe has from its model: values of open fields, and fields without effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdtui.core.enums import PromptSyntax
from sdtui.tui.fields import decimal_of, list_items
from sdtui.tui.recipe import Recipe

if TYPE_CHECKING:
    from sdtui.models import ModelDescription

_MASKED = ("mask_image", "outpaint")
_READ = frozenset(
    {"prompt", "prompt_syntax", "loras", "guidance_scale", "true_cfg_scale", *_MASKED}
)
"""The fields that change what a model makes of the others."""
_SIDES, _PICTURES = ("width", "height"), ("init_image", "references")
"""The fields that say whether a picture goes through hires fix by itself."""


class ModelValues:
    """Keeps the model's part of a recipe up to date."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._description: ModelDescription | None = None

    def use(self, description: ModelDescription) -> None:
        """Take another model."""
        self._description = description
        self._update()
        self._update_hires()

    def follow(self, fields: frozenset[str]) -> None:
        """Update after changes of these fields."""
        if fields & _READ:
            self._update()
        if not fields.isdisjoint((*_SIDES, *_PICTURES)):
            self._update_hires()

    def _update(self) -> None:
        description, recipe = self._description, self._recipe
        if description is None:
            return
        from sdtui.models import unused_fields, with_loras

        loras = _used_loras(recipe.texts)
        native = with_loras(description.native, description.family, loras)
        if native != recipe.native_values:
            recipe.use_native(native)
        guidance, true_cfg = map(decimal_of, (recipe["guidance_scale"], recipe["true_cfg_scale"]))
        scale = native.guidance_scale if guidance is None else float(guidance)
        true_scale = None if true_cfg is None else float(true_cfg)
        has_mask = any(recipe[name].strip() for name in _MASKED)
        recipe.unused = unused_fields(description, scale, true_scale, has_mask=has_mask)

    def _update_hires(self) -> None:
        description, recipe = self._description, self._recipe
        if description is None:
            return
        from sdtui.models import first_size, scale_between

        native = description.native
        width, height = (decimal_of(recipe[name]) or native.get(name) for name in _SIDES)
        scale = None
        if width and height and not any(recipe[name].strip() for name in _PICTURES):
            size = (int(width), int(height))
            first = first_size(description, size)
            scale = None if first is None else scale_between(first, size)
        recipe.use_hires_scale(scale)


def _used_loras(texts: Mapping[str, str]) -> list[str]:
    """Return the names of the LoRAs in the field and in tags of the prompt, as far as they can be
    understood."""
    from sdtui.core.prompt_syntax.tags import read_tags
    from sdtui.core.prompt_tags import LoraTextError, parse_lora

    names = []
    for text in list_items(texts["loras"]):
        try:
            use = parse_lora(text)
        except LoraTextError:
            continue
        if use.unet > 0:
            names.append(use.name)
    if "<" in texts["prompt"]:
        tags = read_tags(texts["prompt"], PromptSyntax(texts["prompt_syntax"]))
        names += [each.name for each in tags.loras if each.unet > 0]
    return names
