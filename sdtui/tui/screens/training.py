"""The trainings: how far they are, their losses, samples and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from sdtui.core.errors import SdtuiError, TrainingNotFoundError
from sdtui.requests.training.status import TrainingCondition, TrainingStatus
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.bindings import bindings_in
from sdtui.tui.context import AppContext
from sdtui.tui.screens.dialogs import ConfirmScreen
from sdtui.tui.textual_internals.screens import SteadyScreen
from sdtui.tui.training_text import FACT_GAP, fact_lines, line_problem, newest_samples
from sdtui.tui.widgets.key_bar import KeyBar
from sdtui.tui.widgets.loss_plot import LossPlot
from sdtui.tui.widgets.sample_strip import SampleCell, SampleStrip
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.training_lists import CheckpointList, TrainingList
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.jobs.training_api import Trainings

_PACE = 1.0
"""Seconds between two looks at a training that goes on."""
_NONE = "There is no training yet. n begins one."
_ACTIVE = (TrainingCondition.QUEUED, TrainingCondition.RUNNING)
_ENDED = (TrainingCondition.FINISHED, TrainingCondition.STOPPED)


class TrainingScreen(SteadyScreen[None]):
    """Lists the trainings, and shows all of the one with the cursor. It is told of what happens by
    `look_soon`."""

    CSS_PATH = "training.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("training")

    def __init__(
        self, context: AppContext, *, new: Callable[[], None], show_sample: Callable[[Path], None]
    ) -> None:
        """`new` asks for a new training; `show_sample` shows a picture in the gallery."""
        super().__init__()
        self.context = context
        self._new = new
        self._show_sample = show_sample
        self.list = TrainingList()
        self.checkpoints = CheckpointList()
        self.plot = LossPlot()
        self.samples = SampleStrip(context.new_picture_view)
        self._facts = Static(classes="facts")
        self._notes = StatusLine(classes="notes")
        self._timer: Timer | None = None
        self._is_reading = self._looks_again = False
        self._goal = ""
        """The training that gets the cursor once it is listed."""
        self._problem = ""
        """Why the trainings couldn't be read, so that what is shown may be old."""

    def compose(self) -> ComposeResult:
        self.list.empty = "Looking…"
        with Horizontal():
            with Vertical(id="trainings"):
                yield Static("Trainings", classes="title")
                yield self.list
                yield Static("Checkpoints, losses", classes="title")
                yield self.checkpoints
            with Vertical(id="training"):
                yield self._facts
                yield self._notes
                yield self.plot
                yield self.samples
        yield KeyBar()

    def on_mount(self) -> None:
        self.list.focus()
        self._look()

    @property
    def _trainings(self) -> Trainings:
        return self.context.backend.trainings

    @property
    def chosen(self) -> TrainingStatus | None:
        """The training with the cursor."""
        return self.list.selected

    # Reading

    def look_soon(self) -> None:
        """Read the trainings again, since something happened; at most once a second."""
        self._show_note()
        if self._timer is None:
            self._timer = self.set_timer(_PACE, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._is_reading:
            self._looks_again = True
        else:
            start_worker(self, self._read)

    def go_to(self, name: str) -> None:
        """Put the cursor on a training that was just begun."""
        self._goal = name
        self._look()

    async def _read(self) -> None:
        self._is_reading = True
        try:
            trainings = await run_on_thread(self._trainings.all)
        except SdtuiError as error:
            self.list.empty = self._problem = str(error)
            self._show_note()
        else:
            self._problem = ""
            self._show_all(trainings)
        finally:
            self._is_reading = False
        if self._looks_again:
            self._looks_again = False
            self.look_soon()

    def _show_all(self, trainings: list[TrainingStatus]) -> None:
        self.list.show(trainings)
        is_first = self.list.empty != _NONE
        going_on = next((each.name for each in trainings if each.condition in _ACTIVE), "")
        self.list.go_to(self._goal or (going_on if is_first else ""))
        self._goal, self.list.empty = "", _NONE
        self._show_chosen()

    async def _read_curve(self, name: str) -> None:
        try:
            curve = await run_on_thread(partial(self._trainings.curve, name))
        except TrainingNotFoundError:  # it was deleted meanwhile
            self._look()
            return
        except SdtuiError as error:
            self._problem = str(error)
            self._show_note()
            return
        if self.chosen is not None and self.chosen.name == name:
            self.plot.curve = curve

    # Showing

    @on(VirtualList.Highlighted)
    def _moved(self, event: VirtualList.Highlighted) -> None:
        if event.lines is self.list:
            self.plot.curve = None
            self._show_chosen()
        else:
            self._show_samples()

    @on(events.DescendantFocus)
    def _focused(self) -> None:
        self._show_samples()
        self.refresh_bindings()

    def _show_chosen(self) -> None:
        """Show all of the training with the cursor."""
        status = self.chosen
        self.checkpoints.show(status)
        self.checkpoints.empty = "None yet." if status else ""
        self._show_facts()
        self._show_note()
        self._show_samples()
        self.refresh_bindings()
        if status is None:
            self.plot.curve, self.plot.empty = None, ""
            return
        self.plot.empty = "" if status.step else "The loss is shown from the first step on."
        start_worker(self, partial(self._read_curve, status.name), group="curve", exclusive=True)

    def _show_note(self) -> None:
        """Show what is wrong, or else the newest notice."""
        status = self.chosen
        problem = line_problem(self.context.backend.connection) or self._problem
        problem = problem or (status.error if status else "")
        note = problem or (next(reversed(status.notices), "") if status else "")
        self._notes.show(note, is_wrong=problem != "")
        self._notes.display = note != ""

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_facts)

    def _show_facts(self) -> None:
        status = self.chosen
        lines = fact_lines(status, self._facts.size.width) if status else []
        text = Content("\n".join(lines))
        name_columns = len(lines[0].partition(FACT_GAP)[0]) if lines else 0
        self._facts.update(text.stylize("bold $foreground", 0, name_columns))

    def _show_samples(self) -> None:
        """Show the newest samples, or those of the checkpoint with the cursor."""
        status, checkpoint = self.chosen, self.checkpoints.selected
        until = checkpoint.step if checkpoint and self.checkpoints.has_focus else None
        self.samples.show(newest_samples(status, until) if status else [])

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with the training with the cursor."""
        status = self.chosen
        is_active = status is not None and status.condition in _ACTIVE
        match action:
            case "pause":
                return status is not None and status.condition is not TrainingCondition.FINISHED
            case "stop":
                return status is not None and status.condition not in _ENDED
            case "delete":
                return status is not None and not is_active
            case "keep":
                return self.checkpoints.selected is not None
            case "show_sample" | "next_sample" | "previous_sample":
                return self.samples.chosen is not None
        return super().check_action(action, parameters)

    def key_label(self, action: str) -> str:
        """Implements `NamesKeys`."""
        is_active = self.chosen is not None and self.chosen.condition in _ACTIVE
        return "Resume" if action == "pause" and not is_active else ""

    def action_new(self) -> None:
        self._new()

    def action_pause(self) -> None:
        """Pause the training with the cursor, or go on with it."""
        status = self.chosen
        if status is not None:
            is_active = status.condition in _ACTIVE
            change = self._trainings.pause if is_active else self._trainings.resume
            self._perform(partial(change, status.name))

    def action_stop(self) -> None:
        """Ask whether the training is to end with what it has learnt."""
        status = self.chosen
        if status is not None:
            done = f" after step {status.step} of {status.steps}" if status.step else ""
            question = f"{status.name} ends{done}, with what it has learnt. It can be resumed."
            stop = partial(self._trainings.stop, status.name)
            self._ask("Stop the training?", question, "Stop", stop)

    def action_delete(self) -> None:
        """Ask whether the training is to be deleted."""
        status = self.chosen
        if status is not None:
            question = f"{status.name} can't be resumed then. Its LoRAs and samples stay."
            delete = partial(self._trainings.delete, status.name)
            self._ask("Delete the training?", question, "Delete", delete)

    def action_keep(self) -> None:
        """Make the checkpoint with the cursor the LoRA."""
        status, checkpoint = self.chosen, self.checkpoints.selected
        if status is None or checkpoint is None:
            return
        if not self.checkpoints.has_focus:  # first see its samples
            self.checkpoints.focus()
            return
        if status.condition in _ACTIVE:
            self.context.notify("The training goes on and would write over it: pause it first.")
            return
        keep = partial(self._trainings.keep, status.name, checkpoint.step)
        self._perform(keep, f"<lora:{status.name}:1> is that of step {checkpoint.step} now")

    def _ask(self, title: str, question: str, yes: str, work: Callable[[], object]) -> None:
        def take(answer: bool | None) -> None:
            if answer:
                self._perform(work)

        self.context.push_screen(ConfirmScreen(title, question, yes, "Back"), take)

    def _perform(self, work: Callable[[], object], done: str = "") -> None:
        start_worker(self, partial(self._perform_and_look, work, done))

    async def _perform_and_look(self, work: Callable[[], object], done: str) -> None:
        try:
            await run_on_thread(work)
        except SdtuiError as error:
            self.context.show_error(error)
        else:
            if done:
                self.context.notify(done)
        self._look()

    def action_switch(self) -> None:
        """Go to the checkpoints, or back to the trainings."""
        (self.list if self.checkpoints.has_focus else self.checkpoints).focus()

    def action_next_sample(self) -> None:
        self.samples.step(1)

    def action_previous_sample(self) -> None:
        self.samples.step(-1)

    @on(SampleCell.Chosen)
    def action_show_sample(self) -> None:
        """Show the chosen sample in the gallery."""
        sample = self.samples.chosen
        if sample is not None:
            self.dismiss(None)
            self._show_sample(Path(sample.path))

    def action_close(self) -> None:
        self.dismiss(None)
