"""A panel of keys: the next key chooses what is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.context import AppContext
from sdtui.tui.key_table import KeyChoice, TableStyles, key_table
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.styles import theme_style
from sdtui.tui.themed_app import written_keys

_FRAME_COLUMNS, _FRAME_ROWS = 4, 2


class WhichKeyScreen(Dialog[str | None]):
    """Lists keys over the last lines of the window. The answer is the key that was pressed; None if
    it is none of them."""

    CSS_PATH = "which_key.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("which_key")

    def __init__(
        self,
        title: str,
        choices: Sequence[KeyChoice],
        *,
        about: str = "",
        more: KeyChoice | None = None,
        rows_below: int = 1,
    ) -> None:
        """`about` is shown above the keys where there is space. `more` is a key in the frame, apart
        from the others. `rows_below` of the window stay visible."""
        super().__init__()
        self._title = one_line(title)
        self._choices = choices
        self._about = about
        self.more = more
        self._rows_below = rows_below
        self._page = 0
        self._panel = Static(id="which-key")

    def compose(self) -> ComposeResult:
        yield self._panel

    def on_mount(self) -> None:
        self._panel.border_title = Content(self._title)
        self._panel.styles.margin = (0, 0, self._rows_below, 0)

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        width = max(8, self.size.width - _FRAME_COLUMNS)
        rows = max(1, self.size.height - self._rows_below - _FRAME_ROWS)
        lines = key_table(self._choices, width, self._styles(), self._written)
        about = [*Text(self._about).wrap(self.app.console, width)] if self._about else []
        if about and len(about) + 1 + len(lines) <= rows:
            lines = [*about, Text(), *lines]
        pages = -(-len(lines) // rows)
        self._page %= pages
        first = self._page * rows
        shown = lines[first : first + rows]
        self._panel.styles.height = len(shown) + _FRAME_ROWS
        self._panel.update(Text("\n").join(shown))
        self._panel.border_subtitle = self._keys_below(pages)

    def _keys_below(self, pages: int) -> Content:
        """Return the keys in the frame."""
        parts = [f"pgdn {self._page + 1} of {pages}"] if pages > 1 else []
        if self.more is not None:
            parts.append(f"{self._written(self.more.keys)} {self.more.label}")
        return Content("   ".join([*parts, "esc Back"]))

    def _styles(self) -> TableStyles:
        return TableStyles(
            theme_style(self.app, "accent") + Style(bold=True),
            theme_style(self.app, "plain"),
            theme_style(self.app, "muted"),
        )

    def _written(self, keys: str) -> str:
        return written_keys(self.app, keys)

    def on_key(self, event: events.Key) -> None:
        """Answer with the key. Keys of the panel itself come after those that it lists, except
        escape, which always does nothing."""
        if event.key == "escape":
            return
        listed = [*self._choices, *([self.more] if self.more else [])]
        is_listed = any(choice.has(event.key) for choice in listed)
        bound = self.active_bindings.get(event.key)
        if is_listed or bound is None or bound.binding.id is None:
            event.stop()
            self.answer(event.key if is_listed else None)

    def answer_more(self) -> None:
        """Answer with the key in the frame, for screens that bind it themselves."""
        if self.more is not None:
            self.answer(self.more.keys.partition(",")[0])

    def action_close(self) -> None:
        self.answer(None)

    def action_next_page(self) -> None:
        self._page += 1
        self._show()

    def action_previous_page(self) -> None:
        self._page -= 1
        self._show()


def show_choices(
    context: AppContext,
    title: str,
    choices: Sequence[tuple[KeyChoice, Callable[[], object]]],
    rows_below: int = 1,
) -> None:
    """Show a panel of keys, and do what the pressed one stands for."""

    def follow(key: str | None) -> None:
        for choice, action in choices:
            if key is not None and choice.has(key):
                action()

    listed = [choice for choice, _ in choices]
    context.push_screen(WhichKeyScreen(title, listed, rows_below=rows_below), follow)
