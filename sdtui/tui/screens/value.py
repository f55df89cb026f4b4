"""A line in which one value is edited, over its chip or its row of the form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Offset
from textual.widgets import Input, Static

from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.value_editing import Option, Then, ValueEditing, WrongTextError
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

_MOST_OPTIONS = 8
_LEAST_WIDTH, _MOST_WIDTH = 32, 56


@dataclass(frozen=True)
class TakenValue:
    """A value that the user took, and what follows."""

    texts: dict[str, str]
    then: Then
    option: Option | None = None
    """An option with an action, which is taken in place of a text."""


class Options(VirtualList[Option]):
    """What can be chosen, one a line. There is no cursor while the text counts."""

    marks_cursor_without_focus = False

    def item_text(self, item: Option, width: int) -> Text:
        return Text(one_line(item.label))

    def on_click(self, event: events.Click) -> None:
        """Take the option at once."""
        index = event.y + round(self.scroll_offset.y)
        if index < self.count:
            self.cursor = index
            self.post_message(self.Clicked(self, index))


class ValueScreen(Dialog[TakenValue | None]):
    """Asks for a value. Typing replaces the old one; what is listed is narrowed meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("value")
    DEFAULT_CSS = """
    ValueScreen {
        background: transparent;

        #value {
            position: absolute;
            height: auto;
            background: $panel;
            padding: 0 1;

            Options {
                padding: 0;
                & > .lines--cursor { background: $accent; color: $background; }
                &:ansi > .lines--cursor { text-style: reverse; }
            }
            StatusLine { height: 1; color: $text-muted; &.-wrong { color: $error; } }
            Horizontal { height: 1; }
            #label { width: auto; padding: 0 1 0 0; text-style: bold; }
            LineInput { width: 1fr; background: transparent; }
        }
    }
    """

    def __init__(
        self, editing: ValueEditing, place: Offset | None = None, *, has_neighbours: bool = False
    ) -> None:
        """`place` is the cell where the value stands in the window; the line is drawn over it. By
        default it is in the middle. `has_neighbours` says that the tab key goes to another
        value."""
        super().__init__()
        self.editing = editing
        self._place = place
        self._has_neighbours = has_neighbours
        self.options = Options()
        self.line = LineInput(editing.text, placeholder=one_line(editing.placeholder))
        self.line.select_on_focus = editing.replaces_text
        self._about = StatusLine()
        self._chooses = False
        """True if enter takes the option with the cursor, and not the text."""
        self._listed_for: str | None = None
        self._most_options = self._rows = 0
        """The most lines for the list."""
        self._line_place = Offset()
        self._is_first = False
        """True if the line is above the list."""

    def compose(self) -> ComposeResult:
        with Vertical(id="value"):
            yield self.options
            self._about.show(self.editing.about)
            yield self._about
            with Horizontal(id="line"):
                yield Static(Content(one_line(self.editing.label)), id="label")
                yield self.line

    def on_mount(self) -> None:
        self.line.focus()
        self._list(self.editing.options(""))
        self._mark_best()
        self._most_options = len(self.options.items) + self.editing.added_options
        self._put()

    def on_resize(self) -> None:
        self._put()

    def _put(self) -> None:
        """Put the box over the value, the line last; or first, if there is more room below it."""
        columns, lines = self.app.size
        rows = max(0, min(self._most_options, _MOST_OPTIONS, lines - 3))
        texts = (self.editing.about, *(each.label for each in self.options.items))
        longest = max(cell_len(one_line(each)) for each in texts)
        width = min(max(_LEAST_WIDTH, longest + 4), _MOST_WIDTH, columns)
        place = self._place or Offset((columns - width) // 2, lines // 2)
        box = self.query_one("#value")
        box.styles.width = width
        self._is_first = place.y <= rows and place.y < lines // 2
        line = self.query_one("#line")
        if self._is_first:
            box.move_child(line, before=0)
        else:
            box.move_child(line, after=-1)
        # The line keeps its place while the list gets shorter.
        highest = 0 if self._is_first else rows + 1
        self._line_place = Offset(
            max(0, min(place.x - 1, columns - width)), max(highest, min(place.y, lines - 1))
        )
        self._rows = rows
        self._fit_options()

    def _fit_options(self) -> None:
        """Give the list the lines that it needs."""
        shown = min(self._rows, len(self.options.items))
        self.options.display = shown > 0
        self.options.styles.height = shown
        left, line = self._line_place
        top = line if self._is_first else line - shown - 1
        self.query_one("#value").styles.offset = (left, top)

    @property
    def chosen(self) -> str | None:
        """The text of the option that enter would take; None if it would take what is written."""
        option = self.options.selected if self._chooses else None
        return None if option is None else option.text

    def _list(self, options: Sequence[Option]) -> None:
        self._listed_for = self.line.value
        self.options.show_items(options)

    def _mark_best(self) -> None:
        """Put the cursor on the present value, or on the best match for what was written."""
        if not (self.editing.needs_option and self.options.items):
            self._mark(None)
        elif self.line.value:
            self._mark(0)
        else:
            self._mark(self.editing.current(self.options.items) or 0)

    def _mark(self, place: int | None) -> None:
        self._chooses = place is not None
        self.options.marks_cursor_without_focus = self._chooses
        if place is not None:
            self.options.cursor = place
        self.options.refresh()

    @on(Input.Changed)
    def _written(self) -> None:
        """List what fits to the text, if that has changed."""
        if self.line.value == self._listed_for:
            return
        self._list(self.editing.options(self.line.value))
        self._fit_options()
        self._mark_best()
        self._say()

    def _say(self, problem: str = "") -> None:
        self._about.show(problem or self.editing.about, is_wrong=bool(problem))

    @on(VirtualList.Clicked)
    def _clicked(self, event: VirtualList.Clicked) -> None:
        self._mark(event.index)
        self.action_take()

    def on_click(self, event: events.Click) -> None:
        """Leave the value as it is at a click elsewhere."""
        if event.widget is self:
            self.answer(None)

    def action_up(self) -> None:
        self._move(1)

    def action_down(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> None:
        self._written()
        stepped = self.editing.stepped(self.line.value, by)
        if stepped is not None:
            self.line.value = stepped
            self.line.cursor_position = len(stepped)
        elif self.options.items:
            last = len(self.options.items) - 1
            place = self.options.cursor - by if self._chooses else (last if by > 0 else 0)
            self._mark(max(0, min(last, place)))

    def action_take(self) -> None:
        self._take("done")

    def action_next(self) -> None:
        completed = self.editing.completed(self.line.value)
        if completed is None:
            self._take("next" if self._has_neighbours else "done")
        else:
            self.line.value = completed
            self.line.cursor_position = len(completed)

    def action_previous(self) -> None:
        self._take("previous" if self._has_neighbours else "done")

    def _take(self, then: Then) -> None:
        self._written()
        option = self.options.selected if self._chooses else None
        if option is not None and option.action:
            self.answer(TakenValue({}, then, option))
            return
        if option is None and self.editing.needs_option:
            self._say("nothing of that name")
            return
        try:
            texts = self.editing.texts(self.line.value if option is None else option.text)
        except WrongTextError as error:
            self._say(str(error))
        else:
            self.answer(TakenValue(texts, then))

    def action_close(self) -> None:
        self.answer(None)
