"""A picture in half-cells."""

from __future__ import annotations

from typing import Self

from textual.app import App, ComposeResult
from textual.geometry import Region

from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.pixel_view import PixelView

PICTURE = Pixels(2, 2, bytes(range(12)))


class RecordingView(PixelView):
    """Keeps which regions were refreshed."""

    def __init__(self) -> None:
        super().__init__()
        self.refreshed: list[Region] = []

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        self.refreshed += regions or [self.size.region]
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class PictureApp(App[None]):
    """Shows nothing but the view."""

    def compose(self) -> ComposeResult:
        yield RecordingView()


async def test_a_picture_is_shown_in_parts_that_cover_it() -> None:
    app = PictureApp()
    async with app.run_test(size=(60, 30)) as pilot:
        await pilot.pause()
        view = app.query_one(RecordingView)
        view.refreshed.clear()
        await view.show(PICTURE)
        rows = [row for region in view.refreshed for row in range(region.y, region.bottom)]
        assert rows == list(range(30))
        assert len(view.refreshed) == 3
        assert all(region.width == 60 for region in view.refreshed)


async def test_a_large_picture_is_shown_in_a_few_parts() -> None:
    app = PictureApp()
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.pause()
        view = app.query_one(RecordingView)
        view.refreshed.clear()
        await view.show(PICTURE)
        assert len(view.refreshed) == 4
