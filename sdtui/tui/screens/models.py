"""Choosing a model: what is installed, and what can be downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, SdtuiError
from sdtui.core.request import DType
from sdtui.core.settings import Settings
from sdtui.core.text import one_line
from sdtui.models.catalog import ModelSource, SourceKind, installed_models
from sdtui.models.description import describe_model
from sdtui.models.estimate import estimate_run, fastest_mode
from sdtui.tui.beside import beside
from sdtui.tui.ink import ink
from sdtui.tui.story import gibibytes
from sdtui.tui.widgets.lines import Lines

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Offer:
    """A model as the list shows it."""

    name: str
    about: str
    """Family, size and what it needs."""
    installed: bool = True


@dataclass
class OffersFound(Message):
    """What is installed, described."""

    offers: tuple[Offer, ...]


@dataclass
class DownloadProgress(Message):
    """Bytes have come."""

    done: int
    total: int
    speed: float


@dataclass
class DownloadEnded(Message):
    """A download is over."""

    hub_id: str
    problem: str = ""


def find_offers(settings: Settings, free: int) -> OffersFound:
    """Every installed model, with the memory that it needs against what is free."""
    sources = installed_models(settings.model_folders)
    return OffersFound(tuple(_offer(source, free) for source in sources))


def _offer(source: ModelSource, free: int) -> Offer:
    if source.path is None:
        return Offer(source.name, "not downloaded", installed=False)
    try:
        description = describe_model(source.path)
    except SdtuiError as error:
        return Offer(source.name, error.what)
    native = description.native
    estimate = estimate_run(description, DType.FLOAT16, native.width or 512, native.height or 512)
    mode = fastest_mode(estimate, free)
    kinds = {SourceKind.FOLDER: "folder", SourceKind.FILE: "file", SourceKind.HUB: "hub"}
    needs = f"needs {gibibytes(estimate.peaks[mode])} of {gibibytes(free)} GiB free"
    parameters = sum(description.parameters.values()) / 1e6
    about = f"{description.family}  {kinds[source.kind]}  {parameters:,.0f} M  {needs}  {mode}"
    return Offer(source.name, about if free else about.partition("  needs")[0])


class OfferLines(Lines):
    """One model a line."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Offer] = []

    def use(self, offers: list[Offer]) -> None:
        """Show these."""
        self.shown = offers
        self.count = len(offers)
        self.refresh()

    def line_text(self, index: int, width: int) -> Text:
        """Name, and what is known of it."""
        offer = self.shown[index]
        name = one_line(offer.name)
        if len(name) > 32:
            name = f"…{name[-31:]}"
        return Text(f"{name:<32}  ").append(one_line(offer.about), ink(self.app, "muted"))


class ModelScreen(ModalScreen[str | None]):
    """Search, choose, download, cancel."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up")]

    def __init__(self, settings: Settings, current: str, free: int) -> None:
        super().__init__()
        self._settings = settings
        self._current = current
        self._free = free
        self._offers: tuple[Offer, ...] = ()
        self._cancellation: Cancellation | None = None
        self.search = Input(placeholder="search, or owner/name to download", compact=True)
        self.list = OfferLines()
        self.status = Static(Content("Looking…"), classes="status")

    def compose(self) -> ComposeResult:
        """Search, list, and what is going on."""
        with Vertical(classes="dialog -list -wide") as box:
            box.border_title = "Model"
            yield self.search
            yield self.list
            yield self.status

    def on_mount(self) -> None:
        """Look at what is installed, beside the app."""
        settings, free = self._settings, self._free
        beside(self, lambda: find_offers(settings, free))
        self.search.focus()

    @on(OffersFound)
    def _found(self, event: OffersFound) -> None:
        self._offers = event.offers
        self.status.update(Content("enter  choose      esc  back"))
        self._narrow()
        names = [offer.name for offer in self.list.shown]
        if self._current in names:
            self.list.cursor = names.index(self._current)

    @on(Input.Changed)
    def _narrow(self) -> None:
        words = self.search.value.casefold().split()
        shown = [
            offer
            for offer in self._offers
            if all(word in f"{offer.name} {offer.about}".casefold() for word in words)
        ]
        asked = self.search.value.strip()
        if _HUB_ID.fullmatch(asked) and asked not in [offer.name for offer in shown]:
            shown.append(Offer(asked, "download from the hub", installed=False))
        self.list.use(shown)

    def on_key(self, event: events.Key) -> None:
        """The list is moved through while one types."""
        moves = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10}
        if event.key in moves:
            event.stop()
            self.list.cursor += moves[event.key]
        elif event.key == "enter":
            event.stop()
            self.choose()

    @on(Lines.Clicked)
    def choose(self) -> None:
        """Take the model with the cursor; download it first if need be."""
        if not self.list.shown or self._cancellation is not None:
            return
        offer = self.list.shown[self.list.cursor]
        if offer.installed:
            self.dismiss(offer.name)
        else:
            self._cancellation = Cancellation()
            self.status.update(Content(f"Asking the hub for {offer.name}…      esc  cancel"))
            beside(self, _downloader(offer.name, self._cancellation, self.post_message))

    def action_give_up(self) -> None:
        """Cancel the download, or go back."""
        if self._cancellation is None:
            self.dismiss(None)
        else:
            self._cancellation.stop_now()
            self.status.update(Content("Cancelling…"))

    @on(DownloadProgress)
    def _downloading(self, event: DownloadProgress) -> None:
        done, total = gibibytes(event.done), gibibytes(event.total)
        speed = f"{event.speed / 1e6:.1f} MB/s"
        self.status.update(Content(f"{done} of {total} GiB   {speed}      esc  cancel"))

    @on(DownloadEnded)
    def _downloaded(self, event: DownloadEnded) -> None:
        self._cancellation = None
        if event.problem:
            self.status.update(Content(event.problem))
        else:
            self.dismiss(event.hub_id)


def _downloader(
    hub_id: str, cancellation: Cancellation, post: Callable[[Message], bool]
) -> Callable[[], Message]:
    def work() -> Message:
        from sdtui.models.hub import download_model

        def on_bytes(done: int, total: int, speed: float) -> None:
            post(DownloadProgress(done, total, speed))

        try:
            download_model(hub_id, on_bytes, cancellation)
        except CancelledError:
            return DownloadEnded(hub_id, "The download was cancelled; what has come is kept.")
        except SdtuiError as error:
            return DownloadEnded(hub_id, str(error))
        return DownloadEnded(hub_id)

    return work
