"""Pictures on the whole screen, and two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from sdtui.core.text import end_of, one_line
from sdtui.requests.record import GenerationRecord
from sdtui.tui.bindings import bindings_in, bindings_of
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.images.view import PictureView
from sdtui.tui.textual_internals import SteadyScreen


class StopJob(Protocol):
    """Stops the running job, now or after the picture under way."""

    def __call__(self, *, after_picture: bool) -> None: ...


class PictureScreen(SteadyScreen[None]):
    """One picture at a time, as large as the terminal. With `follows` it shows the pictures of a
    running job as they form, until someone steps through the finished ones."""

    CSS_PATH = "picture.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_in("viewer"),
        *bindings_in("full_screen"),
        *bindings_of("window.cancel", "window.stop_after"),
    ]

    def __init__(
        self,
        pictures: Sequence[ShownPicture],
        init_image: ShownPicture | None,
        view: PictureView,
        index: int = 0,
        *,
        follows: bool = False,
        stop: StopJob,
    ) -> None:
        super().__init__()
        self._stop = stop
        self._pictures = tuple(pictures)
        self._init_image = init_image
        self._index = len(self._pictures) - 1 if follows and self._pictures else index
        self._follows = follows
        self._before = False
        self._view = view
        self._caption = Static(id="caption")

    def compose(self) -> ComposeResult:
        yield self._view
        yield self._caption

    def on_resize(self) -> None:
        self._show()

    def cells(self, preview: Pixels) -> int:
        """Return how many cells a preview takes."""
        return self._view.pixel_view.cells(preview)

    def action_cancel(self) -> None:
        self._stop(after_picture=False)

    def action_stop_after(self) -> None:
        self._stop(after_picture=True)

    def begin(self, init_image: ShownPicture | None) -> None:
        """The next job begins: it has no pictures yet."""
        if self._follows:
            self._pictures = ()
            self._init_image = init_image
            self._show_caption("")

    def show_forming(self, pixels: Pixels) -> None:
        """Show the picture that is forming."""
        if self._follows:
            self._view.show_pixels(pixels)
            self._show_caption("forming   ")

    def add(self, picture: ShownPicture) -> None:
        """Show one more finished picture of the job."""
        if self._follows:
            self._pictures = (*self._pictures, picture)
            self._index = len(self._pictures) - 1
            self._before = False
            self._show()

    def _show(self) -> None:
        if not self._pictures:
            self._show_caption("")
            return
        before = self._init_image if self._before else None
        picture = before or self._pictures[self._index]
        self._view.show_pictures((picture,))
        place = f"{self._index + 1} of {len(self._pictures)}   " if len(self._pictures) > 1 else ""
        self._show_caption(place, one_line(str(picture.path)))

    def _show_caption(self, place: str, path: str = "") -> None:
        """Show the keys, the place and the path in the line under the picture."""
        keys = "esc back"
        if len(self._pictures) > 1:
            keys += "   ← → step"
        if self._init_image is not None:
            keys += f"   b {'after' if self._before else 'before'}"
        start = f"{keys}   {place}"
        caption = start + end_of(path, max(8, self.size.width - len(start) - 2))
        self._caption.update(Text(caption, no_wrap=True, overflow="ellipsis"))

    def action_close(self) -> None:
        self.dismiss(None)

    def action_back(self) -> None:
        self.dismiss(None)

    def action_next(self) -> None:
        self._step(1)

    def action_previous(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        if not self._pictures:
            return
        self._follows = False
        self._index = (self._index + by) % len(self._pictures)
        self._before = False
        self._show()

    def action_before_after(self) -> None:
        if self._init_image is not None and self._pictures:
            self._follows = False
            self._before = not self._before
            self._show()


def differences(first: GenerationRecord, second: GenerationRecord) -> list[tuple[str, str, str]]:
    """Return the settings in which two pictures differ: name, value of the first, of the second."""
    left, right = _settings(first), _settings(second)
    names = [*left, *(name for name in right if name not in left)]
    pairs = [(name, str(left.get(name, "")), str(right.get(name, ""))) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _settings(record: GenerationRecord) -> dict[str, object]:
    settings = record.settings.model_dump() if record.settings else {}
    return {
        "prompt": record.prompt,
        "negative_prompt": record.negative_prompt,
        "model": record.model.name if record.model else record.request.model,
        "seed": "unknown" if record.seed is None else record.seed,
        **{name: value for name, value in settings.items() if value is not None},
        **record.request.input_images(),
    }


Compared = tuple[ShownPicture, GenerationRecord]


class CompareScreen(SteadyScreen[GenerationRecord | None]):
    """Two pictures side by side, and the fields in which they differ. The answer is the record
    whose settings are to be reused, if any."""

    CSS_PATH = "picture.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("viewer"), *bindings_in("compare")]

    def __init__(
        self, first: Compared, second: Compared, views: tuple[PictureView, PictureView]
    ) -> None:
        super().__init__()
        self._pictures = (first, second)
        self._views = views

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield from self._views
        with VerticalScroll(id="differences"):
            yield Static(self._table())
        yield Static(Text("esc back   1 2 reuse the left or right one's settings"), id="caption")

    def on_mount(self) -> None:
        for view, (picture, _) in zip(self._views, self._pictures, strict=True):
            view.show_pictures((picture,))

    def action_close(self) -> None:
        self.dismiss(None)

    def action_reuse_first(self) -> None:
        self.dismiss(self._pictures[0][1])

    def action_reuse_second(self) -> None:
        self.dismiss(self._pictures[1][1])

    def _table(self) -> Table:
        (left, first), (right, second) = self._pictures
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(max_width=_NAME, no_wrap=True)
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row("", *(Text(one_line(each.path.name), "bold") for each in (left, right)))
        for name, *values in differences(first, second):
            table.add_row(Text(name, "dim"), *(Text(one_line(value)) for value in values))
        if table.row_count == 1:
            table.add_row("", Text("The settings are the same."))
        return table


_NAME = 20
"""Columns for the name of a field."""
