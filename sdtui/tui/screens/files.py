"""Choosing an init image from disk."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.content import Content

from sdtui.core.text import visible
from sdtui.tui.screens.dialogs import ChooseScreen

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_UP = "../"


class FileScreen(ChooseScreen):
    """Folders and pictures; enter goes into a folder."""

    def __init__(self, start: Path) -> None:
        super().__init__("", ())
        self._folder = start if start.is_dir() else Path.home()

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
        if path.is_dir():
            self._enter(path)
        else:
            self.dismiss(str(path))

    def _enter(self, folder: Path) -> None:
        try:
            entries = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
        except OSError as error:
            self.notify(f"{folder} can't be read: {error}", severity="error", markup=False)
            return
        self._folder = folder.resolve()
        seen = [entry for entry in entries if not entry.name.startswith(".")]
        folders = [f"{entry.name}/" for entry in seen if entry.is_dir()]
        files = [entry.name for entry in seen if entry.suffix.lower() in _PICTURES]
        self.names = [_UP, *folders, *files]
        self.query_one(".dialog").border_title = Content(visible(str(self._folder)))
        self.filter.value = ""
        self.narrow()
        self.choices.cursor = 1 if len(self.names) > 1 else 0
