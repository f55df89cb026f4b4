"""Drawing a mask in the app, by keys and with the mouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from textual import events

from sdtui.core import paths
from sdtui.core.typed_paths import typed_text
from sdtui.tui.controllers.masks import recipe_texts, said_of
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.mask_editor.borders import Borders
from sdtui.tui.mask_editor.editor import MaskEditor, Tool
from sdtui.tui.screens.dialogs import ConfirmScreen
from sdtui.tui.screens.mask import MaskScreen
from sdtui.tui.widgets.mask_view import MaskView
from tests.support.app_harness import AppHarness, at_gallery, running
from tests.support.records import record

BLUE = Image.new("RGB", (128, 128), "navy")


def screen_of(harness: AppHarness) -> MaskScreen:
    screen = harness.app.screen
    assert isinstance(screen, MaskScreen)
    return screen


async def open_mask(harness: AppHarness, image: Image.Image = BLUE) -> MaskScreen:
    """Open the editor of a picture that is in the folder of the pictures."""
    file = harness.settings.pictures / "drawn over.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)
    await harness.app.main.masks.draw_over(ShownPicture(file))
    await harness.settled()
    return screen_of(harness)


async def test_key_of_a_picture_opens_the_mask(own_folders: Path, harness: AppHarness) -> None:
    harness.history.save(BLUE, record("a cat"), 0)
    async with at_gallery(harness):
        await harness.press("m")
        await harness.until(lambda: not harness.at_main)
        assert screen_of(harness).editor.size == (128, 128)
        assert "fit" in harness.screen_text()
        await harness.press("escape")
        assert harness.at_main


async def test_mask_can_be_drawn_from_full_screen(own_folders: Path, harness: AppHarness) -> None:
    harness.history.save(BLUE, record("a cat"), 0)
    async with at_gallery(harness):
        await harness.press("f")
        await harness.until(lambda: not harness.at_main)
        await harness.press("m")
        await harness.until(lambda: isinstance(harness.app.screen, MaskScreen))
        await harness.press("escape")
        assert harness.at_main


async def test_used_mask_fills_the_recipe_and_is_in_a_file(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("space", "right", "right", "space")
        assert not screen.editor.is_empty
        await harness.press("enter")
        await harness.until(lambda: harness.at_main and harness.texts["init_image"])
        assert harness.texts["init_image"].endswith("drawn over.png")
        (file,) = (paths.state_folder() / "masks").iterdir()
        with Image.open(file) as mask:
            assert (mask.mode, mask.size) == ("L", (128, 128))
            assert mask.tobytes() == screen.editor.mask.tobytes()
        assert harness.panes.dock.prompt.has_focus


async def test_pen_draws_while_it_is_down(own_folders: Path, harness: AppHarness) -> None:
    async with running(harness):
        editor = (await open_mask(harness)).editor
        await harness.press("right")
        assert editor.is_empty
        await harness.press("space", "L", "j")
        assert "pen down" in harness.screen_text()
        drawn = editor.share
        await harness.press("space", "L")
        assert editor.share == drawn
        assert "pen down" not in harness.screen_text()


async def test_rectangle_is_drawn_between_two_corners(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("r", "space", "shift+right", "shift+down")
        assert screen.editor.is_empty
        assert "rectangle 1" in harness.screen_text()
        await harness.press("enter")
        left, top, right, bottom = screen.editor.mask.getbbox() or (0, 0, 0, 0)
        assert right - left == bottom - top
        assert right - left > 8
        assert isinstance(harness.app.screen, MaskScreen)


async def test_escape_leaves_the_shape_then_asks(own_folders: Path, harness: AppHarness) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("space", "space", "s", "space", "L", "escape")
        assert not screen.editor.is_down
        await harness.press("escape")
        assert isinstance(harness.app.screen, ConfirmScreen)
        await harness.press("escape")
        assert screen_of(harness) is screen
        await harness.press("escape", "enter")
        await harness.until(lambda: harness.at_main)
        assert not harness.texts["init_image"]


async def test_nothing_is_used_of_an_empty_mask(own_folders: Path, harness: AppHarness) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("enter")
        assert harness.app.screen is screen
        assert "Nothing is masked" in harness.last_notification


async def test_mask_of_the_recipe_is_drawn_on(own_folders: Path, harness: AppHarness) -> None:
    async with running(harness):
        first = await open_mask(harness)
        await harness.press("space", "L", "space", "right_curly_bracket", "enter")
        await harness.until(lambda: harness.at_main and harness.texts["mask_image"])
        assert harness.texts["mask_blur"] == "6"
        await harness.press("ctrl+o", "k")
        await harness.until(lambda: not harness.at_main)
        again = screen_of(harness).editor
        assert again.mask.tobytes() == first.editor.mask.tobytes()
        assert again.blur == 6
        assert not again.is_changed
        await harness.press("c", "enter")
        await harness.until(lambda: harness.at_main and not harness.texts["mask_image"])


async def test_transparent_part_is_the_mask_that_is_drawn_on(
    own_folders: Path, harness: AppHarness
) -> None:
    half = Image.new("RGBA", (64, 64), "red")
    half.paste((0, 0, 0, 0), (32, 0, 64, 64))
    async with running(harness):
        await open_mask(harness, half)
        await harness.press("escape")
        file = harness.settings.pictures / "drawn over.png"
        harness.app.recipe.change({"init_image": str(file), "mask_image": "alpha"})
        await harness.app.main.masks.draw_over_init_image()
        assert screen_of(harness).editor.mask.getbbox() == (32, 0, 64, 64)


async def test_mask_needs_an_init_image(own_folders: Path, harness: AppHarness) -> None:
    async with running(harness):
        await harness.app.main.masks.draw_over_init_image()
        assert "needs an init image" in harness.last_notification
        assert harness.at_main


async def test_missing_picture_is_an_error_in_the_window(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        harness.app.recipe.change({"init_image": "/nowhere/cat.png"})
        await harness.app.main.masks.draw_over_init_image()
        assert "can't be shown" in harness.last_notification
        assert harness.at_main


def test_picture_that_was_deleted_meanwhile_is_kept(own_folders: Path) -> None:
    editor = MaskEditor(BLUE)
    editor.mask_all()
    texts = recipe_texts(Path("/nowhere/cat.png"), editor)
    with Image.open(texts["init_image"]) as kept:
        assert kept.tobytes() == BLUE.tobytes()


@pytest.mark.parametrize(
    ("mask", "borders", "said"),
    [
        ("m.png", "", "17 % of the picture is made anew."),
        ("", "left=64", "The borders are made anew."),
        ("m.png", "left=64", "17 % of the picture and the borders are made anew."),
        ("", "", "The picture has no mask."),
    ],
)
def test_message_says_what_is_made_anew(mask: str, borders: str, said: str) -> None:
    texts = {"mask_image": mask, "outpaint": borders}
    assert said_of(texts, 0.17).startswith(said)


def test_borders_and_blur_go_into_the_recipe(own_folders: Path, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    BLUE.save(file)
    editor = MaskEditor(BLUE, borders=Borders(left=64), blur=8)
    assert recipe_texts(file, editor) == {
        "init_image": typed_text(file),
        "mask_image": "",
        "mask_blur": "8",
        "outpaint": "left=64",
    }


async def test_borders_are_added_by_arrows_and_typed(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        editor = (await open_mask(harness)).editor
        await harness.press("x", "left", "left", "shift+up")
        assert editor.borders == Borders(left=64, top=-32)
        await harness.press("right", "9", "6")
        assert editor.borders == Borders(left=64, top=-32, right=96)
        await harness.press("backspace", "backspace", "minus", "1", "6")
        assert editor.borders.right == -16
        assert "176×96" in harness.screen_text()
        await harness.press("u")
        assert editor.borders == Borders(left=64, top=-32, right=32)
        await harness.press("escape")
        assert editor.tool is Tool.BRUSH


async def test_transparent_parts_are_shown_white(own_folders: Path, harness: AppHarness) -> None:
    async with running(harness):
        screen = await open_mask(harness, Image.new("RGBA", (64, 64), (255, 0, 0, 0)))
        assert screen.editor.picture.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(60, 20), (20, 6), (200, 60)])
async def test_resized_window_keeps_the_mask(
    size: tuple[int, int], own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("plus", "space", "L")
        before = screen.editor.mask.tobytes()
        await harness.pilot.resize_terminal(*size)
        await harness.settled()
        assert screen.editor.mask.tobytes() == before
        assert screen.editor.is_down
        columns, rows = screen.canvas.cells
        assert columns <= size[0]
        assert rows <= size[1] - 2


class Mouse:
    """Presses and moves over the view."""

    def __init__(self, harness: AppHarness, screen: MaskScreen) -> None:
        self._harness = harness
        self._view = screen.query_one(MaskView)

    async def send(self, kind: type[events.MouseEvent], x: int, y: int, button: int = 1) -> None:
        event = kind(self._view, x, y, 0, 0, button, False, False, False, x, y)
        self._view.post_message(event)
        await self._harness.settled()

    async def drag(self, start: tuple[int, int], end: tuple[int, int], button: int = 1) -> None:
        await self.send(events.MouseDown, *start, button)
        await self.send(events.MouseMove, *end, button)
        await self.send(events.MouseUp, *end, button)


async def test_mouse_draws_and_its_right_button_erases(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        mouse = Mouse(harness, screen)
        await mouse.drag((50, 10), (70, 10))
        drawn = screen.editor.share
        assert drawn > 0
        assert not screen.editor.is_down
        await mouse.drag((55, 10), (70, 10), 3)
        assert 0 < screen.editor.share < drawn
        await harness.press("u", "u")
        assert screen.editor.is_empty


async def test_wheel_magnifies_at_the_pointer_and_middle_button_moves(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        mouse = Mouse(harness, screen)
        before = screen.canvas.part
        await mouse.send(events.MouseScrollUp, 60, 17)
        zoomed = screen.canvas.part
        assert zoomed.width < before.width
        await mouse.drag((60, 17), (50, 17), 2)
        assert screen.canvas.part.left > zoomed.left
        assert screen.editor.is_empty


async def test_side_that_is_dragged_becomes_a_border(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("x")
        left = round((120 - screen.canvas.cells[0]) / 2)
        mouse = Mouse(harness, screen)
        await mouse.drag((left, 17), (left - 20, 17))
        assert screen.editor.borders.left > 0
        assert screen.editor.borders.right == 0
        await harness.press("u")
        assert not screen.editor.borders


async def test_key_draws_only_the_cells_that_change(
    own_folders: Path, harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("space")
        regions: list[int] = []
        view = screen.query_one(MaskView)
        refresh = view.refresh

        def count(*parts: object, **options: object) -> MaskView:
            regions.extend(part.area for part in parts)  # type: ignore[attr-defined]
            return refresh(*parts, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(view, "refresh", count)
        await harness.press("right")
        assert 0 < sum(regions) < 30


async def test_blur_is_shown_until_the_pen_draws_again(
    own_folders: Path, harness: AppHarness
) -> None:
    async with running(harness):
        screen = await open_mask(harness)
        await harness.press("space", "L", "space")
        sharp = screen.canvas.draw().tobytes()
        await harness.press("right_curly_bracket")
        assert "blur 6" in harness.screen_text()
        assert screen.canvas.draw().tobytes() != sharp
        await harness.press("space", "space")
        assert screen.canvas.draw().tobytes() == sharp
