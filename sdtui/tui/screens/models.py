"""Choosing a model: installed ones, and those of the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import SdtuiError
from sdtui.core.text import end_of, one_line
from sdtui.core.units import data_size
from sdtui.jobs import Models
from sdtui.models import (
    MemoryBudget,
    ModelDescription,
    ModelFit,
    ModelSource,
    SourceKind,
    model_fit,
    native_size,
)
from sdtui.tui.background import run_in_background
from sdtui.tui.bindings import bindings_in
from sdtui.tui.downloads import DownloadEnded, Downloads
from sdtui.tui.messages import message
from sdtui.tui.screens.search_dialog import SearchDialog
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.widgets.virtual_list import VirtualList

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_KINDS = {SourceKind.FOLDER: "folder", SourceKind.FILE: "file", SourceKind.HUB: "hub cache"}


@dataclass(frozen=True)
class Offer:
    """A model in the list."""

    name: str
    summary: str
    """Text in its line."""
    details: str
    """Text below the list."""
    verdict: ThemeColour = "muted"
    installed: bool = True


@message
class OffersFound(Message):
    """The installed models were described."""

    offers: tuple[Offer, ...]


def find_offers(models: Models, budget: MemoryBudget | None, dtype: DType) -> OffersFound:
    """Return every installed model with its memory use relative to the free memory."""
    return OffersFound(
        tuple(_offer(models, source, budget, dtype) for source in models.installed())
    )


def _offer(models: Models, source: ModelSource, budget: MemoryBudget | None, dtype: DType) -> Offer:
    try:
        description = models.describe(source)
    except SdtuiError as error:
        return Offer(source.name, "can't be used", str(error), "error")
    if description is None:
        return _downloadable(source.name)
    count = _count(sum(description.parameters.values()))
    about = f"{_KINDS[source.kind]} {source.path}"
    facts = f"{description.family}, {count} parameters"
    if budget is None:
        return Offer(source.name, f"{description.family:<6} {count:>7}", f"{facts}; {about}")
    return _judged(
        Offer(source.name, "", about),
        description,
        model_fit(description, budget, budget.free, dtype),
        budget,
    )


def _judged(
    offer: Offer, description: ModelDescription, fit: ModelFit, budget: MemoryBudget
) -> Offer:
    """Return the offer with a verdict on its memory."""
    count = _count(sum(description.parameters.values()))
    width, height = native_size(description)
    size = f"{width}×{height}"
    against = f"needs {data_size(fit.bytes)} of {data_size(budget.free)} free for {size}"
    words, verdict = _verdict(fit, budget)
    return replace(
        offer,
        summary=f"{description.family:<6} {count:>7} {data_size(fit.bytes):>9} {words[0]}",
        details=f"{description.family}, {count} parameters; {against}: {words[1]}. {offer.details}",
        verdict=verdict,
    )


def _verdict(fit: ModelFit, budget: MemoryBudget) -> tuple[tuple[str, str], ThemeColour]:
    if not fit.fits:
        return ("✗", "too much, it will be tried in leaner ways"), "error"
    if fit.mode is MemoryMode.FULL:
        return ("✓", "fits whole" if budget.on_gpu else "fits"), "success"
    return ("~", f"fits with {fit.mode.value.replace('_', ' ')}, which is slower"), "warning"


def _downloadable(name: str) -> Offer:
    return Offer(name, "not downloaded", "Enter downloads it from the hub.", installed=False)


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:,.0f} M"


class OfferLines(VirtualList[Offer]):
    """One model a line."""

    def item_text(self, item: Offer, width: int) -> Text:
        """Return the name left and the summary right. Of a long name the end is shown."""
        columns = max(8, width - len(item.summary) - 2)
        name = end_of(one_line(item.name), columns)
        style = theme_style(self.app, item.verdict)
        return Text(f"{name:<{columns}}  ").append(item.summary, style)


class ModelScreen(SearchDialog):
    """Lists models to choose or download. A download goes on when the dialog is closed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("models")

    choices: OfferLines

    def __init__(
        self,
        models: Models,
        current: str,
        budget: MemoryBudget | None,
        dtype: DType,
        downloads: Downloads,
    ) -> None:
        super().__init__("Model", "search, or owner/name to download")
        self._models = models
        self._current = current
        self._budget = budget
        self._dtype = dtype
        self._downloads = downloads
        self._offers: tuple[Offer, ...] = ()
        self.choices = OfferLines()
        self.details = Static(Content("Looking…"), classes="details")
        self.status = Static("", classes="status")

    def below(self) -> tuple[Static, Static]:
        """Return details of the model with the cursor, and the status."""
        return self.details, self.status

    def on_mount(self) -> None:
        self.query_one(".dialog").add_class("-wide")
        self._look()
        self.show_download()

    def _look(self) -> None:
        models, budget, dtype = self._models, self._budget, self._dtype
        run_in_background(self, lambda: find_offers(models, budget, dtype))

    @on(OffersFound)
    def _found(self, event: OffersFound) -> None:
        self._offers = event.offers
        self.narrow()
        names = [offer.name for offer in self.choices.items]
        if self._current in names:
            self.choices.cursor = names.index(self._current)

    def narrow(self) -> None:
        """List the models that match the filter, and the filter itself if it may be a hub id."""
        offers = [
            offer for offer in self._offers if self.lets_through(f"{offer.name} {offer.summary}")
        ]
        typed = self.filter.value.strip()
        if _HUB_ID.fullmatch(typed) and typed not in [offer.name for offer in offers]:
            offers.append(_downloadable(typed))
        self.choices.show_items(offers)
        self._show_details()

    @on(VirtualList.Highlighted)
    def _show_details(self) -> None:
        offer = self.choices.selected
        nothing = "Nothing of that name is installed; owner/name downloads it from the hub."
        self.details.update(Content(one_line(offer.details if offer else nothing)))

    def action_choose(self) -> None:
        """Choose the model with the cursor; download it first if necessary."""
        offer = self.choices.selected
        if offer is None:
            return
        if offer.installed:
            self.answer(offer.name)
        elif self._downloads.hub_id:
            self.notify(f"{self._downloads.hub_id} is being downloaded; one at a time.")
        else:
            self._downloads.start(offer.name)
            self.show_download()

    def action_cancel_download(self) -> None:
        self._downloads.cancel()
        self.show_download()

    def show_download(self) -> None:
        """Show the download's progress."""
        now = self._downloads
        keys = "enter  choose      esc  back"
        if now.hub_id:
            self.status.update(
                Content(f"↓ {now.hub_id}  {now.status}\nctrl+x  cancel      esc  back, it goes on")
            )
        else:
            self.status.update(Content(keys))

    def download_ended(self, event: DownloadEnded) -> None:
        """Choose the downloaded model, or show why it couldn't be downloaded."""
        if event.problem or event.cancelled:
            text = event.problem or "The download was cancelled; whole files are kept."
            self.status.update(Content(one_line(text)))
        elif not self.answer(event.hub_id):
            # Another screen covers the dialog.
            self.status.update(Content(f"{event.hub_id} is downloaded and can be chosen."))
            self._look()
