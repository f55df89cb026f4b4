"""The queue: running, waiting and finished jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from sdtui.core.enums import JobState
from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.messages import message
from sdtui.tui.panes.pane import Pane
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.jobs import Job

RequestedAction = Literal[
    "earlier", "later", "remove", "pause", "stop_after", "reuse", "details", "save_again"
]

_MARKS: dict[JobState, tuple[str, ThemeColour]] = {
    JobState.QUEUED: ("  ", "plain"),
    JobState.RUNNING: ("▶ ", "accent"),
    JobState.CANCELLING: ("◌ ", "warning"),
    JobState.DONE: ("✓ ", "success"),
    JobState.FAILED: ("✗ ", "error"),
    JobState.CANCELLED: ("■ ", "warning"),
}
_WORDS = {
    JobState.QUEUED: "waits",
    JobState.CANCELLING: "stopping",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}


class QueueLines(VirtualList["Job"]):
    """One job a line."""

    def __init__(self) -> None:
        super().__init__()
        self.empty = "Nothing waits."
        self.places: Mapping[str, str] = {}

    def item_text(self, item: Job, width: int) -> Text:
        """Return the job's mark and prompt, and its progress right-aligned."""
        mark, colour = _MARKS[item.state]
        right = self.state(item)
        prompt_style = theme_style(self.app, "muted" if item.state.is_over else "plain")
        left = Text().append(mark, theme_style(self.app, colour))
        left.append(one_line(item.request.prompt), prompt_style)
        left.truncate(max(1, width - len(right) - 1), overflow="ellipsis", pad=True)
        return left.append(f" {right}", theme_style(self.app, "muted"))

    def state(self, job: Job) -> str:
        """Return a job's progress."""
        count = job.request.num_images_per_prompt
        if job.state is JobState.RUNNING:
            return self.places.get(job.id, "")
        if job.state is JobState.DONE:
            return f"{len(job.pictures)} pictures" if count > 1 else ""
        return _WORDS.get(job.state, "")


class QueuePane(Pane):
    """Lists the jobs; keys move, stop and reuse them."""

    TITLE = "Queue"
    ABOUT = (
        "The job that is being made, those that wait, and under them those that are over. The "
        "queue is kept on disk: after a crash or a lost connection the next start offers to go on."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("queue")

    @message
    class ActionRequested(Message):
        """The user requests an action on the queue, or on the job with the cursor."""

        action: RequestedAction
        job: Job | None

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.list = QueueLines()

    def contents(self) -> Sequence[Widget]:
        return (self.list,)

    def show(self, jobs: Sequence[Job], *, paused: bool) -> None:
        """Show the jobs. The cursor stays on its job. Without the focus it leaves a finished one,
        so that the running job is visible."""
        selected = self.list.selected
        self.list.show_items(jobs)
        places = {job.id: place for place, job in enumerate(jobs)}
        if selected is not None and selected.id in places:
            place = places[selected.id]
            stays = self.list.has_focus or not jobs[place].state.is_over
            self.list.cursor = place if stays else 0
        open_jobs = sum(not job.state.is_over for job in jobs)
        parts = [f"{open_jobs}" if open_jobs else "", "· paused" if paused else ""]
        self.set_count(" ".join(part for part in parts if part))

    def show_places(self, places: Mapping[str, str]) -> None:
        """Show the progress of running jobs, by id."""
        concerned = self.list.places.keys() | places.keys()
        before = {
            index: self.list.state(job)
            for index, job in enumerate(self.list.items)
            if job.id in concerned
        }
        self.list.places = places
        for index, state in before.items():
            if self.list.state(self.list.items[index]) != state:
                self.list.refresh_line(index)

    def _request_action(self, action: RequestedAction) -> None:
        self.post_message(self.ActionRequested(action, self.list.selected))

    def action_earlier(self) -> None:
        self._request_action("earlier")

    def action_later(self) -> None:
        self._request_action("later")

    def action_remove(self) -> None:
        self._request_action("remove")

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
