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
from sdtui.core.typed_paths import PathTextError, parse_typed_paths
from sdtui.tui.bindings import bindings_in
from sdtui.tui.messages import PathPasted, message
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
"""Textual's actions for keys that are typed as fast as letters."""


class PromptEditor(KeyTextArea):
    """A text editor that strikes out what no text encoder will see, and brings back earlier prompts
    with up and down at its edges."""

    DEFAULT_CSS = """
    PromptEditor .text-area--placeholder { color: $muted; }
    PromptEditor:ansi .text-area--placeholder { color: ansi_default; text-style: dim; }
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("prompt")

    cut_from: reactive[int | None] = reactive(None)

    def __init__(self, placeholder: str) -> None:
        super().__init__(
            tab_behavior="focus", placeholder=placeholder, compact=True, highlight_cursor_line=False
        )
        self.cursor_blink = False  # drawn twice a second, it was half of what an idle app takes
        self.earlier_prompts: Sequence[str] = ()
        self._place = 0
        self._drafts: dict[int, str] = {}
        """The text of each place when it was left, since it may have been edited."""

    def watch_cut_from(self) -> None:
        self.notify_style_update()
        self.refresh()

    def get_line(self, line_index: int) -> Text:
        """Return a line as displayed: control characters are replaced, and truncated text is struck
        out."""
        plain = self.document.get_line(line_index)
        text = Text(escape_same_width(plain), end="", no_wrap=True)
        if self.cut_from is not None:
            above = self.document.lines[:line_index]
            start = sum(len(line) for line in above) + len(above)
            text.stylize(_CUT, max(0, self.cut_from - start))
        return text

    def handles_itself(self, typed: events.Key | events.Paste) -> bool:
        """Return True for keys that this widget handles itself, in the order in which they come."""
        if isinstance(typed, events.Paste):
            return False
        return typed.is_printable or typed.key == "enter" or typed.key in _OWN_KEYS

    async def after_key(self, event: events.Key) -> None:
        if event.key in _OWN_KEYS:
            event.stop()
            event.prevent_default()
            await self.run_action(_OWN_KEYS[event.key])

    def after_paste(self, pasted: str) -> None:
        """Post the path of a dropped file, which may be meant as init image."""
        try:
            paths = parse_typed_paths(pasted)
        except PathTextError:
            return
        if len(paths) == 1 and paths[0].is_absolute():
            self.post_message(PathPasted(self, paths[0], self.text))

    def action_cursor_up(self, select: bool = False) -> None:
        if not select and self._at_upper_edge and self._place < len(self.earlier_prompts):
            self._recall(self._place + 1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if not select and self._at_lower_edge and self._place > 0:
            self._recall(self._place - 1)
        else:
            super().action_cursor_down(select)

    def _recall(self, place: int) -> None:
        self._drafts[self._place] = self.text
        self._place = place
        self._show(self._drafts[place] if place in self._drafts else self.earlier_prompts[-place])

    @property
    def _at_upper_edge(self) -> bool:
        """True on the first visual line: a long one is wrapped into several."""
        return self.navigator.is_first_wrapped_line(self.cursor_location)

    @property
    def _at_lower_edge(self) -> bool:
        return self.navigator.is_last_wrapped_line(self.cursor_location)

    def remember(self, prompts: Sequence[str]) -> None:
        """Set the earlier prompts, newest last."""
        self.earlier_prompts = prompts
        self._reset_place()

    def set_text(self, text: str) -> None:
        """Set the text. Going up begins at the newest prompt again."""
        self._reset_place()
        self._show(text)

    def _reset_place(self) -> None:
        self._place = 0
        self._drafts.clear()

    def _show(self, text: str) -> None:
        self.load_text(text)
        self.move_cursor(self.document.end)


class PromptPane(Pane):
    """A prompt and how many of the model's tokens it uses."""

    DEFAULT_CSS = """
    PromptPane {
        TextArea { height: 1fr; padding: 0 1; background: transparent; border: none; }
    }
    """

    @message
    class Changed(Message):
        """The text changed."""

        pane: PromptPane

    def __init__(self, field: str, title: str, about: str, placeholder: str, id: str) -> None:
        super().__init__(id=id)
        self.field = field
        self._title = title
        self._about = about
        self.editor = PromptEditor(placeholder)
        self._counters: Mapping[str, TokenCounter] = {}

    def compose(self) -> ComposeResult:
        yield self.editor

    @property
    def about(self) -> str:
        return self._about

    @property
    def title(self) -> str:
        """Return the pane's title."""
        return self._title

    @property
    def text(self) -> str:
        return self.editor.text

    @text.setter
    def text(self, text: str) -> None:
        self.editor.set_text(text)

    def use_counters(self, counters: Mapping[str, TokenCounter]) -> None:
        """Count tokens as this model's text encoders do."""
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
        # No encoder sees the text behind this place only if all of them cut it.
        cuts = [count.cut_from for count in counts]
        self.editor.cut_from = (
            max(cut for cut in cuts if cut is not None) if None not in cuts else None
        )
        over = tightest.tokens > tightest.limit
        meter = f"{tightest.tokens}/{tightest.limit}"
        self.set_footer(f"{meter} · the end is cut off" if over else meter)
        self.set_class(over, "-over")
