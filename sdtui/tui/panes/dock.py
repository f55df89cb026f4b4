"""The dock: both prompts at full width."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from sdtui.tui.panes.prompt import PromptPane


class Dock(Vertical):
    """A frame around the prompts, with the number of tokens in its lower edge."""

    DEFAULT_CSS = """
    Dock {
        height: auto;
        border: round $border-blurred;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        &:focus-within {
            border-left: round $accent;  /* the long lines would be sent again with each focus */
            border-right: round $accent;
            border-title-color: $accent;
        }
        &:ansi:focus-within { border: heavy $accent; }
    }
    """

    def __init__(self, prompt: PromptPane, negative: PromptPane) -> None:
        super().__init__(id="dock")
        self._prompts = (prompt, negative)

    def compose(self) -> ComposeResult:
        yield from self._prompts

    def on_mount(self) -> None:
        self.border_title = Content("Prompt")

    def set_rows(self, prompt: int) -> None:
        """Give the prompt this many rows."""
        self._prompts[0].styles.height = prompt

    def rows_for(self, prompt: int) -> int:
        """Return the rows of the dock if the prompt has this many."""
        return prompt + 4
