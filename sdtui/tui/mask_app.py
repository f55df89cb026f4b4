"""The mask editor as a program of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from sdtui.core.settings import LAST_THEME
from sdtui.tui.bindings import bindings_of
from sdtui.tui.mask_editor.editor import MaskEditor
from sdtui.tui.screens.mask import MaskScreen
from sdtui.tui.state import load_state
from sdtui.tui.terminal.probe import TerminalCapabilities
from sdtui.tui.terminal_app import TerminalApp

if TYPE_CHECKING:
    from sdtui.core.settings import Settings


class MaskApp(TerminalApp, inherit_bindings=False):
    """Shows the mask editor alone. Its return code is 0 if the mask is to be used."""

    TITLE = "sdtui mask"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("app.help", "reading.help", "app.redraw", "app.next_theme", "app.quit"),
        Binding("ctrl+c", "quit", show=False),
    ]

    def __init__(
        self,
        settings: Settings,
        editor: MaskEditor,
        *,
        terminal: TerminalCapabilities,
        early_input: bytes = b"",
        may_be_empty: bool = False,
    ) -> None:
        theme = load_state().theme if settings.theme == LAST_THEME else settings.theme
        super().__init__(settings, theme, terminal=terminal, early_input=early_input)
        self._mask_screen = MaskScreen(editor, may_be_empty=may_be_empty)

    async def on_ready(self) -> None:
        await self.push_screen(self._mask_screen, self._leave)
        await self.take_keys()

    def _leave(self, uses: bool | None) -> None:
        self.exit(0 if uses else 1)

    async def action_quit(self) -> None:
        """Leave; if something was drawn, ask first. A second time leaves at once."""
        if self.screen is self._mask_screen:
            self._mask_screen.leave()
        else:
            self.exit(1)

    def action_help(self) -> None:
        """Show the keys that work now; once more, the manual."""
        from sdtui.tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.answer_more()
            return
        screen = HelpScreen(self._mask_screen, "Keys here", "")
        self.push_screen(screen, screen.follow)
