"""The part of the app that screens and controllers use. They depend on this protocol, so that the
app can import them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, TypeVar

from textual.notifications import SeverityLevel
from textual.screen import Screen

if TYPE_CHECKING:
    from sdtui.core.errors import SdtuiError
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend
    from sdtui.tui.external_editor import ExternalEditor
    from sdtui.tui.images.loader import PictureLoader
    from sdtui.tui.images.view import PictureView
    from sdtui.tui.recipe import Recipe
    from sdtui.tui.state import SavedState
    from sdtui.tui.terminal.probe import TerminalCapabilities

_Answer = TypeVar("_Answer")


class AppContext(Protocol):
    """The app as its screens and controllers see it."""

    settings: Settings
    state: SavedState
    recipe: Recipe
    over_ssh: bool
    colours_note: str
    """Why the app has few colours; "" if it has all."""
    terminal: TerminalCapabilities
    editor: ExternalEditor
    picture_loader: PictureLoader

    @property
    def backend(self) -> Backend:
        """Jobs, models, pictures and hardware; opened when first read."""
        ...

    def new_picture_view(self) -> PictureView:
        """Return a widget that draws finished pictures by the best means of the terminal."""
        ...

    @property
    def silence(self) -> float:
        """Seconds since the last key."""
        ...

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
    ) -> None:
        """Show a notification, and add it to the log. `message` is never read as markup."""
        ...

    def show_error(self, error: SdtuiError, *, is_logged: bool = False) -> None:
        """Show an error and its hint as a notification. `is_logged` is True if the log has it
        already."""
        ...

    def show_keys(self) -> None:
        """Show the keys that work now."""
        ...

    def push_screen(
        self, screen: Screen[_Answer], callback: Callable[[_Answer | None], None] | None = None
    ) -> object:
        """Open a screen, now: keys that follow are its. `callback` gets its answer."""
        ...

    async def push_screen_wait(self, screen: Screen[_Answer]) -> _Answer:
        """Open a screen and wait for its answer. Only inside a worker."""
        ...

    def copy(self, text: str, name: str) -> None:
        """Copy a text to the clipboard; `name` describes it in the notification."""
        ...

    def save(self) -> Future[None]:
        """Save form, prompts, sizes and theme on another thread."""
        ...

    def keep_saving(self) -> None:
        """Start saving the state whenever it changes."""
        ...

    def give_up(self, failure: SdtuiError) -> None:
        """Exit with an error."""
        ...

    async def take_keys(self) -> None:
        """Handle the keys that were pressed before the window was seen, and then each new one."""
        ...


class CaptionContext(Protocol):
    """What the editor of captions needs of its app."""

    settings: Settings

    @property
    def backend(self) -> Backend | None:
        """What else uses the device; None if nothing does."""
        ...

    def new_picture_view(self) -> PictureView:
        """Return a widget that draws pictures."""
        ...
