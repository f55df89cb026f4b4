"""Choosing an init image from disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual import events, on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from sdtui.core.errors import ImageError
from sdtui.core.paths import home_folder, is_file, is_folder
from sdtui.core.text import visible
from sdtui.core.typed_paths import PathTextError, parse_typed_path, typed_text
from sdtui.tui.background import run_on_thread, start_worker, wait_briefly
from sdtui.tui.fields import picture_problem
from sdtui.tui.images.halfcell import Pixels, pixels_of
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.screens.search_dialog import NOTHING_FOUND, ChooseScreen
from sdtui.tui.widgets.answers import AnswerKey, Answers
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_UP = "../"
_PREVIEW_SIDE = 256
"""Pixels of the longer side of a preview."""
_WITH_PREVIEW = 76
"""Columns of a window that has room for a preview."""
PREVIEW_PAUSE_SECONDS = 0.05
"""While the cursor moves on, no picture is read."""


@dataclass(frozen=True)
class Preview:
    """A small picture."""

    pixels: Pixels
    size_text: str
    """The size of the whole picture."""


def read_preview(path: Path) -> Preview | str:
    """Return a picture, or why it can't be an init image. Reads it whole."""
    from sdtui.requests.input_images import open_init_image

    try:
        image = open_init_image(path).image
    except ImageError as error:
        return error.what
    size = f"{image.width}×{image.height}"
    image.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    return Preview(pixels_of(image), size)


class FileScreen(ChooseScreen):
    """Folders and pictures, with the picture under the cursor at the right. Enter opens a folder,
    and so does typing its path and a slash."""

    def __init__(self, start: Path) -> None:
        super().__init__("", ())
        self.preview = PixelView()
        self.status = StatusLine()
        self._folder = start if is_folder(start) else home_folder()
        self._unreadable: Path | None = None
        """A folder that couldn't be read: each letter typed after it would notify again."""

    def aside(self) -> tuple[Widget, ...]:
        """Return the picture under the cursor."""
        return (self.preview,)

    def below(self) -> tuple[Widget, ...]:
        """Return what is wrong with the file under the cursor, and the keys."""
        answers = [AnswerKey("choose.choose", "Choose"), AnswerKey("choose.close", "Cancel")]
        return self.status, Answers(answers)

    def on_resize(self) -> None:
        self.preview.display = self.size.width >= _WITH_PREVIEW

    @on(VirtualList.Highlighted)
    def _look_at_file(self) -> None:
        item = self.choices.selected
        path = None if item is None or item.endswith("/") else self._folder / item
        start_worker(self, partial(self._show_file, path), group="preview", exclusive=True)

    async def _show_file(self, path: Path | None) -> None:
        """Show a picture, or why it can't be used; None shows nothing."""
        await asyncio.sleep(PREVIEW_PAUSE_SECONDS)
        found = "" if path is None else await run_on_thread(partial(read_preview, path))
        if isinstance(found, Preview):
            self.status.show(found.size_text)
            await self.preview.show(found.pixels)
        else:
            self.status.show(found, is_wrong=True)
            self.preview.pixels = None

    def on_mount(self) -> None:
        self.query_one(".dialog").add_class("-wide")
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
            self.status.show(problem, is_wrong=True)
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
