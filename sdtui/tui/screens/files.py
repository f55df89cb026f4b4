"""Choosing an init image from disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual import events
from textual.content import Content
from textual.widgets import Input

from sdtui.core.paths import home_folder, is_file, is_folder
from sdtui.core.text import visible
from sdtui.core.typed_paths import PathTextError, parse_typed_path, typed_text
from sdtui.tui.background import run_on_thread, start_worker, wait_briefly
from sdtui.tui.fields import picture_problem
from sdtui.tui.screens.search_dialog import NOTHING_FOUND, ChooseScreen

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
        self.filter.focus()
        self._enter(self._folder)

    def on_key(self, event: events.Key) -> None:
        """Go to the parent folder at backspace in an empty filter."""
        if event.key == "backspace" and not self.filter.value:
            event.stop()
            self._enter(self._folder.parent)

    async def choose(self, item: str) -> None:
        """Open a folder, or choose a picture."""
        path = self._folder.parent if item == _UP else self._folder / item
        if is_folder(path):
            self._enter(path)
        else:
            await wait_briefly(start_worker(self, partial(self._check_and_answer, path)))

    async def _check_and_answer(self, path: Path) -> None:
        problem = await run_on_thread(lambda: picture_problem(path))
        if problem:
            self.notify(problem, severity="error")
        else:
            self.answer(typed_text(path))

    def narrow(self) -> None:
        """List what matches the filter, in the folder that it names."""
        folder, name = self._folder, self.filter.value
        self.choices.empty = NOTHING_FOUND
        if _may_be_path(name):
            try:
                folder, name = self._split(name)
            except PathTextError as error:
                self.choices.empty = f"It {error}."
        leads = name != self.filter.value and folder != self._unreadable and is_folder(folder)
        if not (leads and self._enter(folder, name)):
            super().narrow()

    def _split(self, text: str) -> tuple[Path, str]:
        """Return the folder and the name in a typed path. Raises PathTextError."""
        path = self._folder / parse_typed_path(text)
        is_whole_folder = text.rstrip(" '\"").endswith("/")
        return (path, "") if is_whole_folder else (path.parent, path.name)

    def matches(self, query: str) -> list[str]:
        """Return what matches in the folder, and a file of just this name that isn't listed."""
        found = super().matches(query)
        is_hidden = query and query not in self.names and is_file(self._folder / query)
        return [query, *found] if is_hidden else found

    def first_place(self, query: str) -> int:
        """Begin below the parent folder."""
        return 1 if not query and len(self.names) > 1 else 0

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
        folders = {entry.name: f"{entry.name}/" for entry in listed if is_folder(entry)}
        files = [
            entry.name
            for entry in listed
            if entry.suffix.lower() in _PICTURES and entry.name not in folders
        ]
        self.names = [_UP, *folders.values(), *files]
        self.query_one(".dialog").border_title = Content(visible(str(self._folder)))
        with self.filter.prevent(Input.Changed):
            self.filter.value = name
        self.filter.cursor_position = len(name)
        self.begin_anew()
        super().narrow()
        return True


def _may_be_path(text: str) -> bool:
    """True if a text isn't just a name in the folder."""
    return "/" in text or "\\" in text or text[:1] in ("'", '"')
