"""Masks: what the tools draw, undo, borders, and the files that come of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from sdtui.tui.mask_editor.borders import Borders, borders_of
from sdtui.tui.mask_editor.caption import about_tool
from sdtui.tui.mask_editor.editor import BRUSHES, MaskEditor, Tool
from sdtui.tui.mask_editor.files import keep_picture, remove_unused
from sdtui.tui.mask_editor.result import drawn_mask
from sdtui.tui.mask_editor.strokes import Point


def editor_of(width: int = 64, height: int = 64, **parts: object) -> MaskEditor:
    return MaskEditor(Image.new("RGB", (width, height), "navy"), **parts)  # type: ignore[arg-type]


def at(editor: MaskEditor, x: int, y: int) -> object:
    return editor.mask.getpixel((x, y))


def draw(editor: MaskEditor, *points: Point) -> None:
    """Draw along points with the tool."""
    editor.move_to(points[0])
    editor.put_down()
    for point in points[1:]:
        editor.move_to(point)
    editor.lift()


def test_mask_has_the_size_of_its_picture() -> None:
    assert editor_of(4096, 100).mask.size == (4096, 100)


def test_mask_of_another_size_is_resized() -> None:
    editor = editor_of(64, 32, mask=Image.new("L", (8, 8), 255))
    assert editor.mask.size == (64, 32)
    assert editor.share == 1


@pytest.mark.parametrize("diameter", [1, 2, 3, 8, 24])
def test_hard_dab_has_the_brushs_diameter(diameter: int) -> None:
    editor = editor_of()
    editor.brush = diameter
    draw(editor, (32.5, 32.5))
    left, top, right, bottom = editor.mask.getbbox() or (0, 0, 0, 0)
    assert (right - left, bottom - top) == (diameter, diameter)
    assert set(editor.mask.tobytes()) <= {0, 255}


def test_soft_dab_falls_off_to_its_edge() -> None:
    editor = editor_of()
    editor.brush, editor.is_soft = 32, True
    draw(editor, (32, 32))
    row = [at(editor, x, 32) for x in range(32, 49)]
    assert row[0] == 255
    assert row == sorted(row, reverse=True)  # type: ignore[type-var]
    assert 0 < row[12] < 255  # type: ignore[operator]


@pytest.mark.parametrize("is_soft", [False, True])
def test_stroke_between_distant_places_has_no_gap(is_soft: bool) -> None:
    editor = editor_of(256, 256)
    editor.brush, editor.is_soft = 6, is_soft
    draw(editor, (10, 20), (240, 200))
    for step in range(101):
        x, y = 10 + 230 * step / 100, 20 + 180 * step / 100
        assert at(editor, int(x), int(y)) == 255


def test_stroke_that_leaves_the_picture_stays_within() -> None:
    editor = editor_of()
    editor.brush = 24
    draw(editor, (-50, 32), (500, 32))
    assert editor.cursor[0] < 64
    assert at(editor, 63, 32) == 255


def test_erasing_takes_away_what_was_drawn() -> None:
    editor = editor_of()
    editor.mask_all()
    editor.erases, editor.brush = True, 8
    draw(editor, (10, 10), (50, 10))
    assert at(editor, 30, 10) == 0
    assert at(editor, 30, 30) == 255


def test_one_stroke_may_erase_while_the_tool_draws() -> None:
    editor = editor_of()
    editor.mask_all()
    editor.put_down(erases=True)
    editor.lift()
    assert at(editor, 32, 32) == 0
    assert not editor.erases


def test_rectangle_takes_every_pixel_that_it_touches() -> None:
    editor = editor_of()
    editor.use_tool(Tool.RECTANGLE)
    draw(editor, (20.7, 30.2), (10.2, 40.9))
    assert editor.mask.getbbox() == (10, 30, 21, 41)


def test_nothing_is_drawn_of_a_shape_that_is_left() -> None:
    editor = editor_of()
    editor.use_tool(Tool.RECTANGLE)
    editor.put_down()
    editor.move_to((60, 60))
    editor.lift(finishes=False)
    assert editor.is_empty
    assert editor.undo() is None


def test_another_tool_leaves_the_shape_under_way() -> None:
    editor = editor_of()
    editor.use_tool(Tool.LASSO)
    editor.put_down()
    editor.move_to((60, 60))
    editor.use_tool(Tool.BRUSH)
    assert not editor.is_down
    assert editor.is_empty


def test_lasso_fills_what_its_line_surrounds() -> None:
    editor = editor_of()
    editor.use_tool(Tool.LASSO)
    draw(editor, (10, 10), (50, 10), (50, 50), (10, 50))
    assert at(editor, 30, 30) == 255
    assert at(editor, 60, 30) == 0


@pytest.mark.parametrize("points", [[(5, 5)], [(5, 5), (9, 5)]])
def test_lasso_of_few_points_draws_them(points: list[Point]) -> None:
    editor = editor_of()
    editor.use_tool(Tool.LASSO)
    draw(editor, *points)
    assert not editor.is_empty


def two_discs() -> Image.Image:
    picture = Image.new("RGB", (100, 100), "white")
    for left in (10, 60):
        ImageDraw.Draw(picture).ellipse((left, 30, left + 30, 60), fill=(200, 20, 20))
    return picture


def test_fill_takes_connected_pixels_alone() -> None:
    editor = MaskEditor(two_discs())
    editor.use_tool(Tool.FILL)
    draw(editor, (25, 45))
    assert at(editor, 25, 45) == 255
    assert at(editor, 75, 45) == 0
    assert at(editor, 50, 10) == 0


def test_fill_goes_around_what_differs() -> None:
    editor = MaskEditor(two_discs())
    editor.use_tool(Tool.FILL)
    draw(editor, (2, 2))
    assert (at(editor, 97, 97), at(editor, 50, 45)) == (255, 255)
    assert at(editor, 25, 45) == 0


def test_tolerance_says_how_different_a_filled_colour_may_be() -> None:
    picture = Image.new("RGB", (64, 64), (100, 100, 100))
    picture.paste((110, 100, 100), (32, 0, 64, 64))
    editor = MaskEditor(picture)
    editor.use_tool(Tool.FILL)
    editor.tolerance = 4
    draw(editor, (5, 5))
    assert at(editor, 60, 5) == 0
    editor.tolerance = 16
    draw(editor, (5, 5))
    assert at(editor, 60, 5) == 255


def test_large_picture_is_filled_up_to_its_edges() -> None:
    picture = Image.new("RGB", (2000, 1999), "white")
    picture.paste((0, 0, 0), (1000, 0, 2000, 1999))
    editor = MaskEditor(picture)
    editor.use_tool(Tool.FILL)
    draw(editor, (1900, 1900))
    assert at(editor, 1999, 1998) == 255
    assert at(editor, 1100, 10) == 255
    assert at(editor, 900, 10) == 0


def test_every_change_can_be_undone_and_repeated() -> None:
    editor = editor_of()
    states = [editor.mask.tobytes()]
    changes = [
        lambda: draw(editor, (5, 5), (50, 50)),
        editor.invert,
        lambda: draw(editor, (30, 30)),
        editor.clear,
        editor.mask_all,
    ]
    for change in changes:
        change()
        states.append(editor.mask.tobytes())
    for state in states[-2::-1]:
        assert editor.undo() is not None
        assert editor.mask.tobytes() == state
    assert editor.undo() is None
    for state in states[1:]:
        assert editor.redo() is not None
        assert editor.mask.tobytes() == state
    assert editor.redo() is None


def test_hundreds_of_strokes_can_be_undone() -> None:
    editor = editor_of(512, 512)
    for number in range(300):
        draw(editor, (number, number))
    for _ in range(300):
        editor.undo()
    assert editor.is_empty


@pytest.mark.parametrize("tool", [Tool.BRUSH, Tool.RECTANGLE, Tool.LASSO, Tool.FILL])
def test_what_changes_nothing_is_no_step_to_undo(tool: Tool) -> None:
    editor = editor_of()
    editor.clear()
    editor.use_tool(tool)
    editor.erases = True
    draw(editor, (5, 5), (50, 5), (50, 50))
    assert editor.undo() is None


def test_new_stroke_ends_what_can_be_repeated() -> None:
    editor = editor_of()
    draw(editor, (5, 5))
    editor.undo()
    draw(editor, (60, 60))
    assert editor.redo() is None


def test_undo_ends_the_stroke_under_way_and_takes_it_back() -> None:
    editor = editor_of()
    editor.put_down()
    editor.undo()
    assert not editor.is_down
    assert editor.is_empty


def test_mask_that_was_drawn_and_undone_has_not_changed() -> None:
    editor = editor_of()
    assert not editor.is_changed
    draw(editor, (5, 5))
    assert editor.is_changed
    editor.undo()
    assert not editor.is_changed


def test_sizes_are_stepped_within_their_limits() -> None:
    editor = editor_of()
    for _ in BRUSHES:
        editor.step(1)
    assert editor.brush == BRUSHES[-1]
    for _ in BRUSHES:
        editor.step(-1)
    assert editor.brush == 1
    editor.blur = 5
    editor.step_blur(-1)
    assert editor.blur == 4


def test_border_is_a_multiple_of_eight_within_limits() -> None:
    editor = editor_of(128, 128)
    editor.change_border("left", 70)
    editor.change_border("top", 9999)
    assert editor.borders == Borders(left=64, top=1024)


def test_something_is_left_of_a_picture_that_is_cut() -> None:
    editor = editor_of(128, 128)
    editor.change_border("left", -500)
    editor.change_border("right", -500)
    left, _, right, _ = editor.borders.kept(editor.size)
    assert right - left == 64


def test_borders_can_be_undone() -> None:
    editor = editor_of(128, 128)
    editor.change_border("left", 64)
    editor.change_border("left", 128)
    editor.change_border("left", 256, goes_on=True)
    editor.undo()
    assert editor.borders == Borders(left=64)
    editor.undo()
    assert not editor.borders
    editor.redo()
    assert editor.borders == Borders(left=64)


def test_borders_are_written_and_read() -> None:
    borders = Borders(left=64, bottom=32)
    assert borders.text == "left=64,bottom=32"
    assert borders_of(borders.text) == borders
    assert borders_of("64") == Borders(64, 64, 64, 64)
    assert borders_of("left=7") == Borders()


def test_result_of_a_cut_picture_is_cut_too() -> None:
    editor = editor_of(128, 128)
    editor.use_tool(Tool.RECTANGLE)
    draw(editor, (64, 64), (127, 127))
    editor.change_border("left", -64)
    editor.change_border("top", 32)
    drawn = drawn_mask(editor)
    assert drawn.picture is not None
    assert drawn.mask is not None
    assert drawn.picture.size == drawn.mask.size == (64, 128)
    assert drawn.mask.getbbox() == (0, 64, 64, 128)
    assert drawn.borders == Borders(top=32)


def test_empty_mask_is_none() -> None:
    assert drawn_mask(editor_of()).mask is None


def test_kept_mask_is_named_by_its_contents(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    first = keep_picture(Image.new("L", (8, 8)), folder)
    same = keep_picture(Image.new("L", (8, 8)), folder)
    other = keep_picture(Image.new("L", (8, 8), 255), folder)
    assert first == same != other
    assert Image.open(other).getpixel((0, 0)) == 255


def test_masks_that_nothing_uses_are_deleted_after_a_month(tmp_path: Path) -> None:
    files = [keep_picture(Image.new("L", (8, 8), value), tmp_path) for value in range(4)]
    new, named, used, unused = files
    for old in files[1:]:
        os.utime(old, (0, 0))
    hashes = {hashlib.sha256(used.read_bytes()).hexdigest()}
    remove_unused(tmp_path, [f"'{named}'"], hashes.__contains__)
    assert set(tmp_path.iterdir()) == {new, named, used}
    assert not unused.exists()


def test_mask_that_is_drawn_again_counts_as_new(tmp_path: Path) -> None:
    file = keep_picture(Image.new("L", (8, 8)), tmp_path)
    os.utime(file, (0, 0))
    keep_picture(Image.new("L", (8, 8)), tmp_path)
    remove_unused(tmp_path, [], lambda _: False)
    assert file.exists()


def test_folder_of_masks_may_be_missing(tmp_path: Path) -> None:
    remove_unused(tmp_path / "none", [], lambda _: False)


def test_caption_says_what_becomes_of_a_border_that_is_typed() -> None:
    editor = editor_of()
    editor.use_tool(Tool.BORDERS)
    editor.change_border("top", 64)
    assert about_tool(editor).startswith("border top +64 ·")
    assert about_tool(editor, "64").startswith("border top 64 ·")
    assert about_tool(editor, "-").startswith("border top - (+64) ·")
    editor.change_border("top", 9999)
    assert about_tool(editor, "9999").startswith("border top 9999 (+1024) ·")
