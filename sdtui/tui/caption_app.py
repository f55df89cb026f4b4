"""The editor of captions as a program of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from sdtui.core.errors import ImageError
from sdtui.core.settings import LAST_THEME
from sdtui.tui.bindings import bindings_of
from sdtui.tui.images.loader import PictureLoader
from sdtui.tui.images.view import PictureView
from sdtui.tui.screens.captions import CaptionScreen
from sdtui.tui.state import load_state
from sdtui.tui.terminal.probe import TerminalCapabilities
from sdtui.tui.terminal_app import TerminalApp

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend, Pictures
    from sdtui.tui.images.terminal_picture import TerminalPicture


class CaptionApp(TerminalApp, inherit_bindings=False):
    """Shows the editor alone."""

    TITLE = "sdtui captions"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("app.help", "reading.help", "app.redraw", "app.next_theme", "app.quit"),
        Binding("ctrl+c", "quit", show=False),
    ]
    backend: Backend | None = None
    """There is no queue in this process."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        picture_widget: type[TerminalPicture] | None,
        terminal: TerminalCapabilities,
        early_input: bytes = b"",
    ) -> None:
        """`picture_widget` draws pictures; None means half-cells."""
        theme = load_state().theme if settings.theme == LAST_THEME else settings.theme
        super().__init__(settings, theme, terminal=terminal, early_input=early_input)
        self._picture_widget = picture_widget
        self._captions = CaptionScreen(self, folder)

    def new_picture_view(self) -> PictureView:
        """Return a widget that draws pictures by the best means of the terminal."""
        return PictureView(PictureLoader(_no_pictures), self._picture_widget)

    async def on_ready(self) -> None:
        await self.push_screen(self._captions, lambda _: self.exit(0))
        await self.take_keys()

    async def action_quit(self) -> None:
        """Leave; the caption is saved. A second time leaves at once."""
        if self.screen is self._captions:
            await self._captions.leave()
        else:
            self.exit(0)

    def action_help(self) -> None:
        """Show the keys that work now; once more, the manual."""
        from sdtui.tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.answer_more()
            return
        screen = HelpScreen(self._captions, "Keys here", "")
        self.push_screen(screen, screen.follow)


def _no_pictures() -> Pictures:
    raise ImageError("the file isn't there", "It may have been moved")
