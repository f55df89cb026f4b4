"""Asks what to change in a picture, and for the values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from sdtui.core.errors import InvalidRequestError
from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.tui.background import run_on_thread
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.screens.search_dialog import Choices
from sdtui.tui.styles import theme_style
from sdtui.tui.variations import Variable, variables, variations, with_new_seed
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest

_PLAIN_LETTER = "v"
"""The key for a picture with another seed: that which opened the screen, once more."""
_SHOWN_VALUES = 6
"""Values that the last line names; of more, only their number is shown."""


class VariableList(VirtualList[Variable]):
    """What can be changed: its letter, name and present value."""

    def item_text(self, item: Variable, width: int) -> Text:
        accent, muted = (theme_style(self.app, name) for name in ("accent", "muted"))
        text = Text().append(f"{item.letter}  ", accent).append(f"{item.label:<18}")
        return text.append(one_line(item.current), muted)


class VaryScreen(Dialog["tuple[GenerationRequest, ...] | None"]):
    """First a letter says what to change, then the new value is typed or chosen. The answer is the
    requests."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("choose")

    def __init__(
        self, title: str, record: GenerationRecord, find_models: Callable[[], Sequence[str]]
    ) -> None:
        """`find_models` returns the names of the models; it is called on another thread."""
        super().__init__()
        self._title = title
        self._record = record
        self._find_models = find_models
        self._variable: Variable | None = None
        self._names: Sequence[str] = ()
        """The choices for the value; none if it is only typed."""
        self._followed = ""
        """What was typed when the choices were last narrowed."""
        self.variables = VariableList()
        self.variables.show_items(variables(record))
        self.input = LineInput()
        self.names = Choices()
        self.names.empty = ""
        self._status = StatusLine()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(f"Vary · {one_line(self._title)}")
            yield self.variables
            yield self.input
            yield self.names
            yield self._status

    def on_mount(self) -> None:
        self.variables.styles.height = self.variables.count
        self.input.display = self.names.display = False
        letter = (_PLAIN_LETTER, "$accent")
        self._status.show(Content.assemble(letter, "  the same with a new seed"))

    def on_key(self, event: events.Key) -> None:
        """Take a letter while no value is asked for."""
        if self._variable is not None or event.character is None:
            return
        if event.character == _PLAIN_LETTER:
            event.stop()
            self.answer((with_new_seed(self._record),))
            return
        for variable in self.variables.items:
            if variable.letter == event.character:
                event.stop()
                self._ask_for(variable)

    def _ask_for(self, variable: Variable) -> None:
        """Ask for the value of one variable."""
        self._variable = variable
        box = self.query_one(".dialog")
        now = f" · now {variable.current}" if variable.current else ""
        box.border_title = Content(one_line(f"Vary · {variable.label}{now}"))
        self.variables.display = False
        self.input.display = True
        if variable.field.kind == "prompt":
            self.input.value = variable.current
        elif variable.name == "seed":
            self.input.placeholder = "a new one"
        if variable.field.kind == "model":
            self._read_models()
        else:
            self._names = [name for name in variable.field.choices if name]
        if self._names or variable.field.kind == "model":
            box.add_class("-list")
            self.names.display = True
        self.input.focus()
        self._follow()

    @work
    async def _read_models(self) -> None:
        self._names = await run_on_thread(self._find_models)
        self._follow()

    @on(Input.Changed)
    def _typed(self) -> None:
        if self._variable is not None and self.input.value != self._followed:
            self._follow()

    def _follow(self) -> None:
        """Narrow the choices to what was typed, and say what would be made of it."""
        self._followed = self.input.value
        if self._names:
            part = self._parts[-1]
            found = self._matches(part)
            self.names.show_items(found)
            current = "" if self._variable is None else self._variable.current
            # Its Highlighted explains.
            self.names.move_to(found.index(current) if not part and current in found else 0)
        else:
            self._explain()

    def _explain(self) -> None:
        requests, problem = self._requests()
        if problem and self.input.value.strip():
            self._status.show(problem, is_wrong=True)
        elif len(requests) > 1:
            values = [value.strip() for value in self._values.split(",") if value.strip()]
            named = f": {' · '.join(values)}" if len(values) <= _SHOWN_VALUES else ""
            self._status.show(f"{len(requests)} pictures{named}")
        else:
            several = self._variable is not None and self._variable.takes_several
            self._status.show("⏎ generate   esc back" + ("   a comma between several" * several))

    @property
    def _parts(self) -> list[str]:
        """What was typed, value by value."""
        several = self._variable is not None and self._variable.takes_several
        text = self.input.value
        return [part.strip() for part in text.split(",")] if several else [text]

    @property
    def _values(self) -> str:
        """The values that are meant: the best match for each part, for the last the chosen one."""
        if not self._names:
            return self.input.value
        *before, last = self._parts
        chosen = self.names.selected or last
        meant = [next(iter(self._matches(part)), part) for part in before if part]
        return ", ".join([*meant, chosen])

    def _matches(self, part: str) -> list[str]:
        """Return the choices that a text stands for, best first."""
        found = ranked(part, self._names, SearchText)
        spelled = None if self._variable is None else self._variable.field.spelled(part)
        if spelled is not None and spelled in self._names:
            return [spelled, *(name for name in found if name != spelled)]
        return found

    def _requests(self) -> tuple[tuple[GenerationRequest, ...], str]:
        """Return the requests for the present values, or why there are none."""
        assert self._variable is not None
        try:
            return variations(self._record, self._variable, self._values), ""
        except InvalidRequestError as error:
            return (), "; ".join(one_line(each.message) for each in error.problems)

    def action_choose(self) -> None:
        """Answer with the requests, or go on with the variable under the cursor."""
        if self._variable is None:
            if (variable := self.variables.selected) is not None:
                self._ask_for(variable)
            return
        if self.input.value != self._followed:
            self._follow()
        requests, problem = self._requests()
        if requests:
            self.answer(requests)
        else:
            self._status.show(problem, is_wrong=True)

    @on(VirtualList.Clicked)
    def _clicked(self) -> None:
        self.action_choose()

    @on(VirtualList.Highlighted)
    def _highlighted(self) -> None:
        if self._variable is not None:
            self._explain()

    def action_close(self) -> None:
        self.answer(None)

    def action_up(self) -> None:
        self._move(-1)

    def action_down(self) -> None:
        self._move(1)

    def _move(self, by: int) -> None:
        """Move in the list, or step the number that is asked for."""
        variable = self._variable
        if variable is None:
            self.variables.cursor += by
        elif self._names:
            self.names.cursor += by
        elif variable.field.kind in ("integer", "number") and variable.name != "width":
            text = self.input.value or variable.current
            self.input.value = variable.field.stepped(text, -by)
            self.input.cursor_position = len(self.input.value)

    def action_page_up(self) -> None:
        self.names.action_page_up()

    def action_page_down(self) -> None:
        self.names.action_page_down()
