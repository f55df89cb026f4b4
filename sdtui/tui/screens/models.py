"""Choosing a model: installed ones, and those of the hub."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import Worker

from sdtui.core.enums import DType, Quantize
from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.jobs import Models
from sdtui.models import MemoryBudget
from sdtui.tui.background import run_on_thread, start_worker, wait_briefly
from sdtui.tui.bindings import bindings_in
from sdtui.tui.downloads import DownloadEnded, Downloads
from sdtui.tui.model_offers import SUMMARY_HEADS, Offer, find_offers, model_problem, typed_offer
from sdtui.tui.screens.search_dialog import SearchDialog
from sdtui.tui.widgets.answers import AnswerKey, Answers
from sdtui.tui.widgets.offer_lines import OfferLines
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

_MORE_FOLDERS = "Your own models: name their folders in the setting model_folders."


class ModelScreen(SearchDialog):
    """Lists models to choose or download. A download goes on when the dialog is closed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("models")

    choices: OfferLines[Offer]

    def __init__(
        self,
        models: Models,
        current: str,
        budget: MemoryBudget | None,
        dtype: DType,
        quantize: Quantize,
        downloads: Downloads,
    ) -> None:
        super().__init__("Model", "search, or type a Hugging Face id: owner/name")
        self._models = models
        self._current = current
        self._budget = budget
        self._dtype = dtype
        self._quantize = quantize
        self._downloads = downloads
        self._offers: tuple[Offer, ...] = ()
        self._looking: Worker[None] | None = None
        self._chooses_when_found = False
        """True if the user pressed enter before the models were listed."""
        self.choices = OfferLines[Offer]()
        self.heads = Static(classes="heads")
        self.details = Static(Content("Looking…"), classes="details")
        self.status = StatusLine()

    def above(self) -> tuple[Static]:
        """Return the heads of the columns."""
        return (self.heads,)

    def below(self) -> tuple[Widget, ...]:
        """Return details of the model with the cursor, the status, and the keys."""
        answers = [
            AnswerKey("choose.choose", "Choose"),
            AnswerKey("choose.close", "Back"),
            AnswerKey("models.cancel_download", "Cancel the download"),
        ]
        return self.details, self.status, Answers(answers)

    def on_resize(self) -> None:
        columns = self.heads.size.width - len(SUMMARY_HEADS)
        self.heads.update(Content(f"{'name':<{max(0, columns)}}{SUMMARY_HEADS}"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a download be cancelled only while there is one."""
        if action == "cancel_download":
            return self._downloads.hub_id != ""
        return super().check_action(action, parameters)

    def on_mount(self) -> None:
        self.query_one(".dialog").add_class("-wide")
        self._look()
        self.show_download()

    def _look(self) -> None:
        self._looking = start_worker(self, self._find_offers, group="looking", exclusive=True)

    async def _find_offers(self) -> None:
        formats = (self._dtype, self._quantize)
        find = partial(find_offers, self._models, self._budget, *formats)
        self._offers = await run_on_thread(find)
        self.narrow()
        if self._chooses_when_found:
            self._chooses_when_found = False
            self.call_later(self.action_choose)

    @on(Input.Changed)
    def _forget_refusal(self) -> None:
        self.show_download()

    def matches(self, query: str) -> list[Offer]:
        """Return the models that match, and the one that the query itself names."""
        offers = list(self._offers)
        typed = typed_offer(query)
        if typed is not None and typed.name not in [offer.name for offer in offers]:
            offers.append(typed)
            query = typed.name
        return ranked(query, offers, lambda offer: SearchText(offer.name, offer.summary))

    def key_of(self, item: Offer) -> str:
        return item.name

    def first_place(self, query: str) -> int:
        """Begin on the form's model."""
        names = [offer.name for offer in self.choices.items]
        return names.index(self._current) if not query and self._current in names else 0

    @on(VirtualList.Highlighted)
    def _show_details(self) -> None:
        offer = self.choices.selected
        is_looking = self._looking is not None and not self._looking.is_finished
        nothing = "No such model is installed. owner/name is downloaded from Hugging Face."
        text = offer.details if offer else "Looking…" if is_looking else nothing
        self.details.update(Content(one_line(text)))

    async def action_choose(self) -> None:
        """Choose the model with the cursor, once the models are listed."""
        if self._looking is not None and self._looking.is_running:
            await wait_briefly(self._looking)
        if self._looking is not None and self._looking.is_running:
            self._chooses_when_found = True
        else:
            await super().action_choose()

    async def choose(self, item: Offer) -> None:
        """Choose a model; download it first if necessary."""
        if item.problem:
            self._refuse(item.name, item.problem)
        elif item.installed:
            await wait_briefly(start_worker(self, partial(self._check_and_answer, item.name)))
        elif self._downloads.hub_id:
            self.notify(f"{self._downloads.hub_id} is being downloaded; one at a time.")
        else:
            self._downloads.start(item.name)
            self.show_download()

    async def _check_and_answer(self, name: str) -> None:
        """Choose a model unless it can't be used, or not any more."""
        problem = await run_on_thread(partial(model_problem, self._models, name))
        if problem is not None:
            self._refuse(name, str(problem))
            self._look()
        elif not self.answer(name):
            # Another screen covers the dialog.
            self.status.show(f"{name} can be chosen.")

    def _refuse(self, name: str, problem: str) -> None:
        """Say why a model can't be chosen. The form keeps its own."""
        selected = self.choices.selected
        is_seen = selected is not None and selected.problem == problem
        reason = f"{name} can't be used." if is_seen else problem
        kept = f"{self._current} stays chosen." if self._current != name else ""
        self.status.show(f"{reason} {kept}".rstrip(), is_wrong=True)

    def action_cancel_download(self) -> None:
        self._downloads.cancel()
        self.show_download()

    def show_download(self) -> None:
        """Show the download's progress."""
        now = self._downloads
        self.query_one(Answers).refresh(layout=True)
        if now.hub_id:
            self.status.show(f"↓ {now.hub_id} · {now.status} · goes on after esc")
        else:
            self.status.show(_MORE_FOLDERS)

    def download_ended(self, event: DownloadEnded) -> None:
        """Choose the downloaded model, or show why it couldn't be downloaded."""
        if event.problem or event.cancelled:
            text = event.problem or "The download was cancelled; whole files are kept."
            self.status.show(text, is_wrong=bool(event.problem))
        elif self.app.screen is self:
            start_worker(self, partial(self._check_and_answer, event.hub_id))
        else:
            self.status.show(f"{event.hub_id} is downloaded and can be chosen.")
            self._look()
