"""Choosing an init image from disk."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.content import Content
from textual.widgets import Input

from sdtui.core.paths import expanded, is_folder
from sdtui.core.text import visible
from sdtui.tui.screens.dialogs import ChooseScreen

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_UP = "../"


class FileScreen(ChooseScreen):
    """Folders and pictures; enter goes into a folder, and so does writing its path and a slash."""

    def __init__(self, start: Path) -> None:
        super().__init__("", ())
        self._folder = start if is_folder(start) else Path.home()

    def on_mount(self) -> None:
        """Begin in the first folder."""
        self._enter(self._folder)

    def on_key(self, event: events.Key) -> None:
        """Backspace in an empty filter goes up."""
        if event.key == "backspace" and not self.filter.value:
            event.stop()
            self._enter(self._folder.parent)

    def action_choose(self) -> None:
        """Into the folder, or done."""
        if not self.choices.shown:
            return
        name = self.choices.shown[self.choices.cursor]
        path = self._folder.parent if name == _UP else self._folder / name
        if is_folder(path):
            self._enter(path)
        else:
            self.dismiss(str(path))

    def narrow(self) -> None:
        """Show what the filter lets through, in the folder that it names."""
        head, slash, name = self.filter.value.rpartition("/")
        if slash:
            folder = self._folder / expanded(f"{head}/")
            if is_folder(folder):
                self._enter(folder, name)
                return
        super().narrow()

    def _enter(self, folder: Path, name: str = "") -> None:
        try:
            entries = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
        except OSError as error:
            self.notify(f"{folder} can't be read: {error}", severity="error", markup=False)
            return
        self._folder = folder.resolve()
        seen = [entry for entry in entries if not entry.name.startswith(".")]
        folders = [f"{entry.name}/" for entry in seen if is_folder(entry)]
        files = [entry.name for entry in seen if entry.suffix.lower() in _PICTURES]
        self.names = [_UP, *folders, *files]
        self.query_one(".dialog").border_title = Content(visible(str(self._folder)))
        with self.filter.prevent(Input.Changed):
            self.filter.value = name
        self.filter.cursor_position = len(name)
        super().narrow()
        self.choices.cursor = 1 if len(self.choices.shown) > 1 and not name else 0
