"""Choosing an init image from disk."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.content import Content
from textual.widgets import Input

from sdtui.core.paths import expanded, home_folder, is_folder
from sdtui.core.text import visible
from sdtui.tui.screens.search_dialog import ChooseScreen

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_UP = "../"


class FileScreen(ChooseScreen):
    """Folders and pictures. Enter opens a folder, and so does typing its path and a slash."""

    def __init__(self, start: Path) -> None:
        super().__init__("", ())
        self._folder = start if is_folder(start) else home_folder()
        self._unreadable: Path | None = None
        """A folder that couldn't be read: each letter typed after it would notify again."""

    def on_mount(self) -> None:
        self._enter(self._folder)

    def on_key(self, event: events.Key) -> None:
        """Go to the parent folder at backspace in an empty filter."""
        if event.key == "backspace" and not self.filter.value:
            event.stop()
            self._enter(self._folder.parent)

    def action_choose(self) -> None:
        name = self.choices.selected
        if name is None:
            return
        path = self._folder.parent if name == _UP else self._folder / name
        if is_folder(path):
            self._enter(path)
        else:
            self.answer(str(path))

    def narrow(self) -> None:
        """List what passes the filter, in the folder that it names."""
        head, slash, name = self.filter.value.rpartition("/")
        folder = self._folder / expanded(f"{head}/")
        leads = slash and folder != self._unreadable and is_folder(folder)
        if not (leads and self._enter(folder, name)):
            self._narrow_to(self.filter.value)

    def _narrow_to(self, name: str) -> None:
        """Put the cursor on the entry with just this name, if there is one."""
        super().narrow()
        for index, item in enumerate(self.choices.items):
            if item in (name, f"{name}/"):
                self.choices.cursor = index

    def _enter(self, folder: Path, name: str = "") -> bool:
        """List a folder. Returns False if it can't be read."""
        try:
            entries = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
        except OSError as error:
            self.notify(f"{folder} can't be read: {error}", severity="error")
            self._unreadable = folder
            return False
        self._folder, self._unreadable = folder.resolve(), None
        listed = [entry for entry in entries if not entry.name.startswith(".")]
        folders = [f"{entry.name}/" for entry in listed if is_folder(entry)]
        files = [entry.name for entry in listed if entry.suffix.lower() in _PICTURES]
        self.names = [_UP, *folders, *files]
        self.query_one(".dialog").border_title = Content(visible(str(self._folder)))
        with self.filter.prevent(Input.Changed):
            self.filter.value = name
        self.filter.cursor_position = len(name)
        self.choices.cursor = 0
        self._narrow_to(name)
        if not name and len(self.names) > 1:
            self.choices.cursor = 1
        return True
