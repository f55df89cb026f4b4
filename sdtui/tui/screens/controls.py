"""Choosing a ControlNet or an IP-Adapter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.fields import Field
from sdtui.core.picture_entries import EntryError, PictureEntry
from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.jobs import Models
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.control_offers import (
    SUMMARY_HEADS,
    ControlOffer,
    entry_of,
    find_control_offers,
    typed_entry,
    with_entry,
    without_entry,
)
from sdtui.tui.screens.search_dialog import SearchDialog
from sdtui.tui.widgets.answers import AnswerKey, Answers
from sdtui.tui.widgets.offer_lines import OfferLines
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

_ABOUT = "NAME:0.8,end=0.6 gives weight and options; one that is used already is taken out."


@dataclass(frozen=True)
class ChosenControl:
    """What was chosen."""

    text: str = ""
    """The recipe's text afterwards."""
    needs_picture: PictureEntry | None = None
    """An entry to add once its picture is chosen."""


class ControlScreen(SearchDialog):
    """Lists what a field may name; answers with a ChosenControl."""

    choices: OfferLines[ControlOffer]

    def __init__(self, models: Models, field: Field, model: str, used: str) -> None:
        """`used` is the recipe's text."""
        what = field.spec.label.removesuffix("s")
        super().__init__(what, "search, or type a name and its weight: canny:0.8")
        self._models = models
        self._field = field
        self._model = model
        self._used = used
        self._offers: tuple[ControlOffer, ...] = ()
        self._nothing = "Looking…"
        self._none = f"No {what} was found. Name their folders in the setting {{}}_folders."
        self.choices = OfferLines[ControlOffer]()
        self.heads = Static(classes="heads")
        self.details = Static(Content(self._nothing), classes="details")
        self.status = StatusLine()

    def above(self) -> tuple[Static]:
        """Return the heads of the columns."""
        return (self.heads,)

    def below(self) -> tuple[Widget, ...]:
        """Return details of the line with the cursor, the status, and the keys."""
        answers = [AnswerKey("choose.choose", "Choose"), AnswerKey("choose.close", "Back")]
        return self.details, self.status, Answers(answers)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_heads)

    def _show_heads(self) -> None:
        columns = self.choices.scrollable_content_region.width - len(SUMMARY_HEADS)
        self.heads.update(Content(f"{'name':<{max(0, columns)}}{SUMMARY_HEADS}"))

    def on_mount(self) -> None:
        self.query_one(".dialog").add_class("-wide")
        self.status.show(f"Used: {one_line(self._used)}" if self._used.strip() else _ABOUT)
        start_worker(self, self._find_offers)

    async def _find_offers(self) -> None:
        find = partial(find_control_offers, self._models, self._field.name, self._model)
        self._offers = await run_on_thread(find)
        kind = "ip_adapter" if self._field.name == "ip_adapters" else "controlnet"
        self._nothing = self._none.format(kind)
        self.begin_anew()
        self.narrow()
        self._show_details()

    def matches(self, query: str) -> list[ControlOffer]:
        """Return those whose names match; what follows a colon or comma is weight and options."""
        name = query.partition(",")[0].partition(":")[0]
        return ranked(name, self._offers, lambda each: SearchText(each.name, each.details))

    def key_of(self, item: ControlOffer) -> str:
        return item.name

    @on(VirtualList.Highlighted)
    def _show_details(self) -> None:
        offer = self.choices.selected
        self.details.update(Content(one_line(offer.details) if offer else self._nothing))

    async def choose(self, item: ControlOffer) -> None:
        """Add one, change its weight and options or take it out, unless it can't be used."""
        typed = self.filter.value
        used = entry_of(self._field, self._used, item.name)
        has_options = any(each in typed for each in ":,")
        if used is not None and not has_options:
            self.answer(ChosenControl(without_entry(self._field, self._used, item.name)))
            return
        if item.problem:
            self.status.show(f"{item.name} can't be used: {one_line(item.problem)}", is_wrong=True)
            return
        try:
            entry = typed_entry(self._field, item.name, typed if has_options else "")
        except EntryError as error:
            self.status.show(f"{item.name} {one_line(str(error))}", is_wrong=True)
            return
        if used is not None:
            self.answer(ChosenControl(with_entry(self._field, self._used, entry)))
        else:
            self.answer(ChosenControl(self._used, entry))
