"""What completes the prompts: names of files, trigger words and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from textual.screen import Screen

from sdtui.core.errors import ModelError, SettingsError
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.completions import Completions
from sdtui.tui.context import AppContext
from sdtui.tui.fields import list_items
from sdtui.tui.panes.dock import Dock

if TYPE_CHECKING:
    from sdtui.jobs import Models
    from sdtui.tui.tag_completions import TagCompletions

_LORA_FIELDS = frozenset({"prompt", "loras"})


class CompletionController:
    """Reads on other threads what prompts can name, and gives it to their editors."""

    def __init__(self, context: AppContext, screen: Screen[None], dock: Dock) -> None:
        """`screen` runs workers."""
        self._context = context
        self._screen = screen
        self._dock = dock
        self._names: Sequence[Completions] = ()
        self._trigger_words: Sequence[Completions] = ()
        self._tags: Sequence[TagCompletions] = ()
        self._loras: tuple[str, ...] = ()
        """Those whose trigger words are offered, with their weights."""

    def begin(self) -> None:
        """Read everything, and follow the recipe."""
        self.read_names()
        self._recipe_changed(_LORA_FIELDS)
        self._context.recipe.subscribe(self._recipe_changed)

    def read_names(self) -> None:
        """Read the names of files, which may have changed."""
        start_worker(self._screen, self._read_names, group="names", exclusive=True)

    async def _read_names(self) -> None:
        from sdtui.requests.sections.hires import LATENT_UPSCALERS
        from sdtui.tui.name_completions import (
            WildcardCompletions,
            embedding_completions,
            lora_completions,
        )
        from sdtui.tui.tag_completions import read_tags

        backend, file = self._context.backend, self._context.settings.tag_file
        try:
            if not self._tags and file is not None:
                self._tags = (await run_on_thread(partial(read_tags, file)),)
        except SettingsError as error:
            self._context.show_error(error)
        try:
            names = await run_on_thread(backend.prompts.names)
            vaes = await run_on_thread(backend.models.vaes)
            upscalers = await run_on_thread(backend.models.upscalers)
        except SettingsError as error:
            self._context.show_error(error)
            return
        of_pictures = [each.name for each in upscalers if not each.problem]
        self._context.recipe.known_names = {
            "styles": names.styles,
            "vae": [each.path.name for each in vaes if each.path.suffix == ".safetensors"],
            "hires_upscaler": [*LATENT_UPSCALERS, *of_pictures],
            **dict.fromkeys(("upscaler", "second_upscaler"), of_pictures),
        }
        self._names = (
            lora_completions(names.loras),
            WildcardCompletions(names.wildcards),
            embedding_completions(names.embeddings),
        )
        self._use()

    def _recipe_changed(self, fields: frozenset[str]) -> None:
        loras = _loras_of(self._context.recipe.texts) if fields & _LORA_FIELDS else self._loras
        if loras != self._loras:
            self._loras = loras
            work = partial(self._read_trigger_words, loras)
            start_worker(self._screen, work, group="trigger-words", exclusive=True)

    async def _read_trigger_words(self, loras: Sequence[str]) -> None:
        from sdtui.tui.name_completions import TriggerWords

        models = self._context.backend.models
        words = await run_on_thread(partial(_trigger_words, models, loras))
        self._trigger_words = (TriggerWords(words),)
        self._use()

    def _use(self) -> None:
        self._dock.use_names((*self._trigger_words, *self._names), self._tags)


def _loras_of(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the LoRAs in a recipe's tags and field."""
    from sdtui.core.prompt_tags import take_tags

    prompt = texts["prompt"]
    tagged = take_tags(prompt).loras if "<" in prompt else ()
    return (*map(str, tagged), *list_items(texts["loras"]))


def _trigger_words(models: Models, loras: Sequence[str]) -> list[str]:
    """Return the trigger words of LoRAs; those that can't be found or read have none."""
    from sdtui.core.prompt_tags import LoraTextError, parse_lora

    words: list[str] = []
    for entry in loras:
        with suppress(LoraTextError, ModelError):
            words += models.find_lora(parse_lora(entry).name, allow_files=True).trigger_words
    return words
