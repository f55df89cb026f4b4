"""An editor for a prompt, with a token meter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import TextArea

from sdtui.core.text import escape_same_width
from sdtui.tui.bindings import bindings_in
from sdtui.tui.messages import message
from sdtui.tui.panes.pane import Pane
from sdtui.tui.textual_internals import KeyTextArea

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdtui.models import TokenCount, TokenCounter

_CUT = Style(strike=True, dim=True)
_OWN_KEYS = {
    "backspace": "delete_left",
    "delete": "delete_right",
    "left": "cursor_left",
    "right": "cursor_right",
    "up": "cursor_up",
    "down": "cursor_down",
    "home": "cursor_line_start",
    "end": "cursor_line_end",
}
"""Key → Textual's action, of the keys that come as quickly as letters do."""


class PromptEditor(KeyTextArea):
    """A text editor that strikes out the words no text encoder will see, and brings back earlier
    prompts with up and down at its edges."""

    DEFAULT_CSS = """
    PromptEditor:ansi .text-area--placeholder { color: ansi_default; text-style: dim; }
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("prompt")

    cut_from: reactive[int | None] = reactive(None)

    def __init__(self, placeholder: str) -> None:
        super().__init__(
            tab_behavior="focus", placeholder=placeholder, compact=True, highlight_cursor_line=False
        )
        self.cursor_blink = False  # drawn twice a second, it was half of what an idle app takes
        self.earlier: Sequence[str] = ()
        self._place = 0
        self._written: dict[int, str] = {}
        """Place → what stood there when it was left: it may have been changed."""

    def watch_cut_from(self) -> None:
        """Draw anew, forgetting how the lines were drawn before."""
        self.notify_style_update()
        self.refresh()

    def get_line(self, line_index: int) -> Text:
        """A line as it is shown: what a terminal would take as a command is a sign instead, and
        what will be cut is struck out."""
        plain = self.document.get_line(line_index)
        text = Text(escape_same_width(plain), end="", no_wrap=True)
        if self.cut_from is not None:
            above = self.document.lines[:line_index]
            start = sum(len(line) for line in above) + len(above)
            text.stylize(_CUT, max(0, self.cut_from - start))
        return text

    def does_itself(self, typed: events.Key | events.Paste) -> bool:
        """Whether this key is carried out here, in the order in which it comes."""
        if isinstance(typed, events.Paste):
            return False
        return typed.is_printable or typed.key == "enter" or typed.key in _OWN_KEYS

    async def after_key(self, event: events.Key) -> None:
        if event.key in _OWN_KEYS:
            event.stop()
            event.prevent_default()
            await self.run_action(_OWN_KEYS[event.key])

    def action_cursor_up(self, select: bool = False) -> None:
        """Up; on the first line, to the prompt before."""
        if not select and self._at_upper_edge and self._place < len(self.earlier):
            self._turn_to(self._place + 1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        """Down; on the last line, to the prompt after."""
        if not select and self._at_lower_edge and self._place > 0:
            self._turn_to(self._place - 1)
        else:
            super().action_cursor_down(select)

    def _turn_to(self, place: int) -> None:
        self._written[self._place] = self.text
        self._place = place
        self._show(self._written[place] if place in self._written else self.earlier[-place])

    @property
    def _at_upper_edge(self) -> bool:
        """On the first line that is seen: a long one is broken into several."""
        return self.navigator.is_first_wrapped_line(self.cursor_location)

    @property
    def _at_lower_edge(self) -> bool:
        return self.navigator.is_last_wrapped_line(self.cursor_location)

    def remember(self, prompts: Sequence[str]) -> None:
        """The prompts to bring back, newest last."""
        self.earlier = prompts
        self._begin_anew()

    def use(self, text: str) -> None:
        """Take another text: up begins at the newest prompt again."""
        self._begin_anew()
        self._show(text)

    def _begin_anew(self) -> None:
        self._place = 0
        self._written.clear()

    def _show(self, text: str) -> None:
        self.load_text(text)
        self.move_cursor(self.document.end)


class PromptPane(Pane):
    """A prompt and how much of what the model takes it uses."""

    DEFAULT_CSS = """
    PromptPane {
        TextArea { height: 1fr; padding: 0 1; background: transparent; border: none; }
    }
    """

    @message
    class Changed(Message):
        """The text is another."""

        pane: PromptPane

    def __init__(self, field: str, title: str, about: str, placeholder: str, id: str) -> None:
        super().__init__(id=id)
        self.field = field
        self._title = title
        self._about = about
        self.editor = PromptEditor(placeholder)
        self._counters: Mapping[str, TokenCounter] = {}

    def compose(self) -> ComposeResult:
        """One editor."""
        yield self.editor

    @property
    def about(self) -> str:
        """What F1 says."""
        return self._about

    @property
    def title(self) -> str:
        """What the pane is called."""
        return self._title

    @property
    def text(self) -> str:
        """What is written."""
        return self.editor.text

    @text.setter
    def text(self, text: str) -> None:
        self.editor.use(text)

    def use_counters(self, counters: Mapping[str, TokenCounter]) -> None:
        """Count as this model's text encoders do."""
        self._counters = counters
        self._measure()

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._measure()
        self.post_message(self.Changed(self))

    def _measure(self) -> None:
        counts: list[TokenCount] = [each.count(self.text) for each in self._counters.values()]
        if not counts:
            return
        tightest = min(counts, key=lambda count: count.limit - count.tokens)
        # Everything behind this place is unseen by every encoder only if all of them cut.
        cuts = [count.cut_from for count in counts]
        self.editor.cut_from = (
            max(cut for cut in cuts if cut is not None) if None not in cuts else None
        )
        over = tightest.tokens > tightest.limit
        meter = f"{tightest.tokens}/{tightest.limit}"
        self.say_below(f"{meter} · the end is cut off" if over else meter)
        self.set_class(over, "-over")
