"""What is known about the current picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from sdtui.core.text import visible
from sdtui.tui.bindings import bindings_in
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.panes.pane import Pane
from sdtui.tui.widgets.labelled_lines import LabelledLines, nothing_found

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Job
    from sdtui.requests.record import GenerationRecord


class InfoPane(Pane):
    """Shows the current picture's record in words."""

    TITLE = "Info"
    ABOUT = (
        "How the current picture was made: what was set, what the model filled in, how long it "
        "took and what was tried. What is off is left out; J shows the whole record."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("info"), *bindings_in("picture")]

    def __init__(self, id: str, copy: Callable[[str, str], None]) -> None:
        """`copy` copies a text; its second argument describes the text."""
        super().__init__(id=id)
        self._copy = copy
        self.view = LabelledLines(empty="How the current picture was made is shown here.")
        self._record: GenerationRecord | None = None

    def contents(self) -> Sequence[Widget]:
        return (self.view,)

    def show(
        self,
        entry: Entry | None,
        record: GenerationRecord | None,
        query: str = "",
    ) -> None:
        """Show a picture's record, or nothing. The words of the search `query` are highlighted."""
        self._record = record
        lines = () if entry is None or record is None else _lines(entry, record)
        self.view.show_lines(lines, partial(_found_in, query) if query else nothing_found)

    def show_job(self, job: Job) -> None:
        """Show the request of a job whose picture is forming."""
        from sdtui.tui.record_text import request_lines

        self._record = None
        self.view.show_lines(request_lines(job.request.values()))

    def action_json(self) -> None:
        """Show the record as JSON."""
        from sdtui.tui.record_text import as_json
        from sdtui.tui.screens.dialogs import TextScreen

        if self._record is not None:
            lines = [LabelledLine("", visible(as_json(self._record)))]
            self.app.push_screen(TextScreen("Record", lines, self._copy))

    def action_copy(self) -> None:
        if self._record is not None:
            self._copy(self.view.text, "The info")


def _found_in(query: str, text: str) -> Iterable[tuple[int, int]]:
    from sdtui.history import found_in

    return found_in(text, query)


def _lines(entry: Entry, record: GenerationRecord) -> Iterator[LabelledLine]:
    from sdtui.tui.record_text import record_lines

    yield from record_lines(record)
    marks = "★ " if entry.starred else ""
    if marks or entry.tags:
        yield LabelledLine("Tags", visible(f"{marks}{', '.join(entry.tags)}".strip()))
    if entry.problem:
        yield LabelledLine("Problem", visible(entry.problem))
    yield LabelledLine("File", visible(str(entry.path)))
