"""Choosing a LoRA."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.jobs import Models
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.lora_offers import SUMMARY_HEADS, LoraOffer, find_lora_offers, with_lora
from sdtui.tui.screens.files import PREVIEW_PAUSE_SECONDS, Preview, read_preview
from sdtui.tui.screens.search_dialog import SearchDialog
from sdtui.tui.widgets.answers import AnswerKey, Answers
from sdtui.tui.widgets.offer_lines import OfferLines
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

_NONE = "No LoRA was found. Name their folders in the setting lora_folders."
_WITH_PREVIEW = 100
"""Columns of a window that has room for previews."""
_ABOUT = "film:0.8 gives film the weight 0.8; one that is used already is taken out."


class LoraScreen(SearchDialog):
    """Lists LoRAs; answers with the recipe's LoRAs after one was chosen."""

    choices: OfferLines[LoraOffer]

    def __init__(self, models: Models, model: str, used: str) -> None:
        """`used` is the recipe's text."""
        super().__init__("LoRA", "search, or type a name and its weight: film:0.8")
        self._models = models
        self._model = model
        self._used = used
        self._offers: tuple[LoraOffer, ...] = ()
        self._has_looked = False
        self.choices = OfferLines[LoraOffer]()
        self.heads = Static(classes="heads")
        self.preview = PixelView()
        self.preview.display = False
        self.details = Static(Content("Looking…"), classes="details")
        self.status = StatusLine()

    def above(self) -> tuple[Static]:
        """Return the heads of the columns."""
        return (self.heads,)

    def aside(self) -> tuple[Widget, ...]:
        """Return the preview of the LoRA with the cursor."""
        return (self.preview,)

    def below(self) -> tuple[Widget, ...]:
        """Return details of the LoRA with the cursor, the status, and the keys."""
        answers = [AnswerKey("choose.choose", "Choose"), AnswerKey("choose.close", "Back")]
        return self.details, self.status, Answers(answers)

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        """Show previews if there are any and the window is wide enough."""
        has_previews = any(each.preview is not None for each in self._offers)
        self.preview.display = has_previews and self.size.width >= _WITH_PREVIEW
        self.query_one(".dialog").set_class(self.preview.display, "-pictured")
        self.call_after_refresh(self._show_heads)

    def _show_heads(self) -> None:
        columns = self.choices.scrollable_content_region.width - len(SUMMARY_HEADS)
        self.heads.update(Content(f"{'name':<{max(0, columns)}}{SUMMARY_HEADS}"))

    def on_mount(self) -> None:
        self.query_one(".dialog").add_class("-wide")
        self.status.show(f"Used: {one_line(self._used)}" if self._used.strip() else _ABOUT)
        start_worker(self, self._find_offers)

    async def _find_offers(self) -> None:
        find = partial(find_lora_offers, self._models, self._model)
        self._offers = await run_on_thread(find)
        self._has_looked = True
        self._lay_out()
        self.begin_anew()
        self.narrow()
        self._show_details()

    def matches(self, query: str) -> list[LoraOffer]:
        """Return the LoRAs whose names match; what follows a colon is the weight."""
        name = query.partition(":")[0]
        return ranked(name, self._offers, lambda each: SearchText(each.name, each.details))

    def key_of(self, item: LoraOffer) -> str:
        return item.name

    @on(VirtualList.Highlighted)
    def _show_details(self) -> None:
        offer = self.choices.selected
        nothing = _NONE if self._has_looked else "Looking…"
        self.details.update(Content(one_line(offer.details) if offer else nothing))
        if self.preview.display:
            show = partial(self._show_preview, offer.preview if offer else None)
            start_worker(self, show, group="preview", exclusive=True)

    async def _show_preview(self, path: Path | None) -> None:
        await asyncio.sleep(PREVIEW_PAUSE_SECONDS)
        found = "" if path is None else await run_on_thread(partial(read_preview, path))
        if isinstance(found, Preview):
            await self.preview.show(found.pixels)
        else:
            self.preview.pixels = None

    async def choose(self, item: LoraOffer) -> None:
        """Add a LoRA, change its weight or take it out, unless it can't be used."""
        changed = with_lora(self._used, item.name, self.filter.value)
        is_added = len(changed) >= len(self._used)
        if item.problem and is_added:
            self.status.show(f"{item.name} can't be used: {one_line(item.problem)}", is_wrong=True)
        else:
            self.answer(changed)
