"""The queue: running, queued and finished jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.enums import JobState
from sdtui.core.text import one_line
from sdtui.core.units import clock_duration, duration
from sdtui.tui.bindings import bindings_in
from sdtui.tui.messages import message
from sdtui.tui.panes.pane import Pane
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.jobs import Job

RequestedAction = Literal[
    "earlier",
    "later",
    "remove",
    "remove_grid",
    "pause",
    "stop_after",
    "reuse",
    "details",
    "save_again",
]

_SIGNS: dict[JobState, tuple[str, ThemeColour]] = {
    JobState.QUEUED: ("○ ", "muted"),
    JobState.RUNNING: ("▶ ", "running"),
    JobState.CANCELLING: ("◌ ", "warning"),
    JobState.DONE: ("✓ ", "done"),
    JobState.FAILED: ("✗ ", "error"),
    JobState.CANCELLED: ("■ ", "warning"),
}
_WORDS = {
    JobState.CANCELLING: "stopping",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
_EMPTY = (
    "The queue is empty. A picture that you generate appears here; while it is being made, more "
    "can be queued."
)
_LEAST_PROMPT = 12
"""Columns of a prompt; what is special about its job is left out if it would get fewer."""


class QueueLines(VirtualList["Job"]):
    """One job a line: state, prompt, what is special, progress and the time that it will take."""

    def __init__(self) -> None:
        super().__init__()
        self.empty = _EMPTY
        self.places: Mapping[str, str] = {}
        """The progress of running jobs, by id."""
        self.times: Mapping[str, float | None] = {}
        """Seconds that unfinished jobs will take, by id."""
        self.training = ""
        """The name of the training that all waiting jobs wait for."""
        self._has_several_models = False

    def show_items(self, items: Sequence[Job]) -> None:
        self._has_several_models = len({job.request.model for job in items}) > 1
        super().show_items(items)

    def item_text(self, item: Job, width: int) -> Text:
        sign, colour = _SIGNS[item.state]
        muted = theme_style(self.app, "muted")
        special, right = self._special(item), self.state(item)
        if width - len(sign) - len(special) - len(right) - 4 < _LEAST_PROMPT:
            special = ""
        end = Text().append(f"  {special}" if special else "", muted)
        end.append(f"  {right}" if right else "", muted)
        line = Text().append(sign, theme_style(self.app, colour))
        work = "upscale" if item.request.upscale.image is not None else ""
        line.append(one_line(item.request.prompt) or work, muted if item.state.is_over else "")
        line.truncate(max(1, width - end.cell_len), overflow="ellipsis", pad=True)
        return line.append_text(end)

    def _special(self, job: Job) -> str:
        """Return what distinguishes a job: its place in a grid, several pictures, its size, its
        init image, and its model if there are jobs of another one."""
        request = job.request
        parts = [] if job.grid is None else [one_line(job.grid.caption)]
        if request.num_images_per_prompt > 1:
            parts.append(f"×{request.num_images_per_prompt}")
        if request.width or request.height:
            parts.append(f"{request.width or 'auto'}×{request.height or 'auto'}")
        if (image := request.first_input_image) is not None:
            parts.append(f"from {one_line(image.name)}")
        if self._has_several_models:
            parts.append(one_line(request.model))
        return " · ".join(parts)

    def state(self, job: Job) -> str:
        """Return a job's progress, and the seconds that it will take or has taken."""
        if job.state is JobState.RUNNING:
            parts = [self.places.get(job.id, "")]
        elif job.state is JobState.QUEUED and self.training:
            return f"after {one_line(self.training)}"
        else:
            parts = [_WORDS.get(job.state, "")]
        left = self.times.get(job.id)
        if job.state.is_wanted and left is not None:
            parts.append(f"~{clock_duration(left)}")
        elif job.state is JobState.DONE and job.record and job.record.generation_time is not None:
            parts.append(duration(job.record.generation_time))
        return "  ".join(filter(None, parts))


class QueuePane(Pane):
    """Lists the jobs; keys move, stop and reuse them."""

    TITLE = "Queue"
    ABOUT = (
        "The running job, the queued ones and, below, those that are over. A time with ~ is "
        "estimated from earlier jobs with the same model and size. The queue is kept on disk: "
        "after a crash or a lost connection the next start offers to go on."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("queue")
    DEFAULT_CSS = """
    .queue--workers, .queue--training {
        width: 100%;
        height: auto;
        max-height: 3;
        padding: 0 1;
        color: $text-muted;
    }
    """

    @message
    class ActionRequested(Message):
        """The user requests an action on the queue, or on the job with the cursor."""

        action: RequestedAction
        job: Job | None

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.heading = Static(classes="pane--heading")
        self.list = QueueLines()
        self._is_paused = False
        self._waiting = 0
        self._total: float | None = None
        self._heading_text = ""
        self._workers = Static(classes="queue--workers")
        self._workers_text = ""
        self._training = Static(classes="queue--training")
        self._training_text = ""

    def contents(self) -> Sequence[Widget]:
        self.heading.display = self._workers.display = self._training.display = False
        return self.heading, self._workers, self._training, self.list

    def show(self, jobs: Sequence[Job], *, paused: bool) -> None:
        """Show the jobs. The cursor stays on its job. Without the focus it leaves a finished one,
        so that the running job is visible."""
        selected = self.list.selected
        if paused != self._is_paused:
            self._is_paused = paused
            self.refresh_bindings()
        self.list.show_items(jobs)
        self._waiting = sum(job.state is JobState.QUEUED for job in jobs)
        ids = [job.id for job in jobs]
        if selected is not None and selected.id in ids:
            place = ids.index(selected.id)
            stays = self.list.has_focus or not jobs[place].state.is_over
            self.list.cursor = place if stays else 0
        self._summarise()

    def show_progress(
        self, places: Mapping[str, str], times: Mapping[str, float | None], total: float | None
    ) -> None:
        """Show the progress of running jobs and the seconds that unfinished ones will take, by id
        and in all."""
        visible = self.list.visible_items()
        before = [self.list.state(job) for _, job in visible]
        self.list.places, self.list.times, self._total = places, times, total
        for (index, job), state in zip(visible, before, strict=True):
            if self.list.state(job) != state:
                self.list.refresh_line(index)
        self._summarise()

    def show_workers(self, text: str) -> None:
        """Show what several workers do."""
        if text != self._workers_text:
            self._workers_text = text
            self._workers.update(Content(text))
            self._workers.display = bool(text)

    def show_training(self, text: str, in_the_way: str) -> None:
        """Show how far a training is; `in_the_way` is its name if all jobs wait for it."""
        if text != self._training_text:
            self._training_text = text
            self._training.update(Content(text))
            self._training.display = bool(text)
        if in_the_way != self.list.training:
            self.list.training = in_the_way
            self.list.refresh()

    def _summarise(self) -> None:
        """Show how many jobs wait and how long all will take."""
        waiting = self._waiting
        parts = [f"{waiting} queued"] if waiting else []
        if waiting and self._total is not None:
            parts.append(f"~{clock_duration(self._total)}")
        if self._is_paused:
            parts.append("paused")
        text = " · ".join(parts)
        if text != self._heading_text:
            self._heading_text = text
            self.heading.update(Content(text), layout=False)
            self.heading.display = bool(text)
        self.set_count(str(waiting or ""))

    def _request_action(self, action: RequestedAction) -> None:
        self.post_message(self.ActionRequested(action, self.list.selected))

    def action_earlier(self) -> None:
        self._request_action("earlier")

    def action_later(self) -> None:
        self._request_action("later")

    def action_remove(self) -> None:
        self._request_action("remove")

    def action_remove_grid(self) -> None:
        self._request_action("remove_grid")

    def key_label(self, action: str) -> str:
        """Implements `NamesKeys`."""
        return "Resume" if action == "pause" and self._is_paused else ""

    def action_pause(self) -> None:
        self._request_action("pause")

    def action_stop_after(self) -> None:
        self._request_action("stop_after")

    def action_reuse(self) -> None:
        self._request_action("reuse")

    def action_details(self) -> None:
        self._request_action("details")

    def action_save_again(self) -> None:
        self._request_action("save_again")
