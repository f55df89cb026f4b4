"""What the recipe's prompts become: styles, alternatives and wildcards are worked out for the token
meter."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.screen import Screen

from sdtui.core.errors import SdtuiError
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext
from sdtui.tui.fields import parse_form
from sdtui.tui.panes.dock import Dock

if TYPE_CHECKING:
    from sdtui.jobs import Prompts

_PROMPTS = ("prompt", "negative_prompt")
_FIELDS = (*_PROMPTS, "styles", "dynamic_prompts", "prompt_syntax")
"""What the prompts of pictures depend on, besides the seed."""
_COUNT = 8
"""Pictures whose prompts are worked out."""
_PAUSE_SECONDS = 0.2
"""So long nothing was written, before that is done."""


class PromptSampler:
    """Gives the dock some of the prompts that those of the recipe become."""

    def __init__(self, context: AppContext, screen: Screen[None], dock: Dock) -> None:
        """`screen` runs workers."""
        self._context = context
        self._screen = screen
        self._dock = dock

    def begin(self) -> None:
        """Follow the recipe."""
        self._context.recipe.subscribe(self._recipe_changed)
        self._recipe_changed(frozenset(_FIELDS))

    def _recipe_changed(self, fields: frozenset[str]) -> None:
        if fields.isdisjoint(_FIELDS):
            return
        from sdtui.core.dynamic_prompts.parser import is_dynamic

        texts = self._texts()
        if texts["styles"].strip() or any(is_dynamic(texts[name]) for name in _PROMPTS):
            work = partial(self._sample, texts)
            start_worker(self._screen, work, group="samples", exclusive=True)
        else:
            self._dock.use_samples({})

    async def _sample(self, texts: Mapping[str, str]) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)
        try:
            samples = await run_on_thread(partial(_samples, self._context.backend.prompts, texts))
        except SdtuiError:  # it is said when a picture is made
            samples = {}
        if texts == self._texts():
            self._dock.use_samples(samples)

    def _texts(self) -> dict[str, str]:
        return {name: self._context.recipe[name] for name in _FIELDS}


def _samples(prompts: Prompts, texts: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """Return what prompts become for several pictures; nothing if they stay as they are. Raises
    SdtuiError."""
    request = replace(parse_form(texts), seed=0, num_images_per_prompt=_COUNT)
    found = prompts.resolve(request, most=_COUNT).prompts
    return {name: [str(getattr(each, name)) for each in found] for name in _PROMPTS if found}
