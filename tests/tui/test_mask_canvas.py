"""How a mask is drawn in half-cells, and where its points are."""

from __future__ import annotations

import pytest
from PIL import Image

from sdtui.tui.images.zoom import Zoom
from sdtui.tui.mask_editor.borders import Borders
from sdtui.tui.mask_editor.canvas import TINTS, Canvas
from sdtui.tui.mask_editor.editor import MaskEditor, Tool

SIZES = [(64, 64), (512, 512), (4096, 4096), (2048, 64), (64, 2048)]


def canvas_of(size: tuple[int, int] = (64, 64), colour: str = "navy") -> Canvas:
    canvas = Canvas(MaskEditor(Image.new("RGB", size, colour)))
    canvas.resize(80, 22)
    return canvas


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("steps", [0, 2])
def test_places_and_points_belong_to_each_other(size: tuple[int, int], steps: int) -> None:
    canvas = canvas_of(size)
    canvas.magnify(steps)
    x, y = canvas.point_at(*canvas.place_of((size[0] * 0.4, size[1] * 0.6)))
    assert (x, y) == pytest.approx((size[0] * 0.4, size[1] * 0.6))


@pytest.mark.parametrize("size", SIZES)
def test_drawing_fits_into_the_view(size: tuple[int, int]) -> None:
    image = canvas_of(size).draw()
    assert image.width <= 80
    assert image.height <= 44
    assert (image.width, image.height // 2) == canvas_of(size).cells


def test_masked_part_has_the_tint() -> None:
    canvas = canvas_of()
    editor = canvas.editor
    before = canvas.draw()
    editor.use_tool(Tool.RECTANGLE)
    editor.move_to((0, 0))
    editor.put_down()
    editor.move_to((20, 20))
    canvas.changed(editor.lift())
    editor.move_to((50, 50))
    after = canvas.draw()
    x, y = (int(each) for each in canvas.place_of((10, 10)))
    assert before.getpixel((x, y)) != after.getpixel((x, y))
    x, y = (int(each) for each in canvas.place_of((30, 30)))
    assert before.getpixel((5, 40)) == after.getpixel((5, 40))


def test_part_that_changed_is_drawn_as_the_whole_would_be() -> None:
    canvas = canvas_of((500, 300))
    editor = canvas.editor
    canvas.draw()
    editor.brush = 37
    editor.move_to((100, 100))
    canvas.changed(editor.put_down())
    for point in ((141, 137), (333, 50), (499, 299)):
        canvas.changed(editor.move_to(point))
    fresh = Canvas(editor)
    fresh.resize(80, 22)
    assert canvas.draw().tobytes() == fresh.draw().tobytes()


@pytest.mark.parametrize("system", ["256", "standard"])
def test_few_colours_show_a_mask_by_whole_half_cells(system: str) -> None:
    canvas = canvas_of()
    canvas.colour_system = system
    canvas.draw()
    canvas.changed(canvas.editor.mask_all())
    canvas.editor.use_tool(Tool.FILL)
    image = canvas.draw()
    colours = [image.getpixel((x, 2)) for x in range(image.width)]
    assert colours.count(canvas.tint) == len(colours) // 2


def test_tint_differs_from_the_picture() -> None:
    for tint in TINTS:
        written = "#{:02x}{:02x}{:02x}".format(*tint)
        assert canvas_of(colour=written).tint != tint


def test_cursor_shows_the_brushs_size() -> None:
    canvas = canvas_of((512, 512))
    canvas.editor.brush = 256
    plain = Image.new("RGB", canvas.draw().size, canvas.draw().getpixel((0, 0)))
    marks = [
        (x, y)
        for x in range(plain.width)
        for y in range(plain.height)
        if canvas.draw().getpixel((x, y)) == (255, 255, 255)
    ]
    across = max(x for x, _ in marks) - min(x for x, _ in marks)
    assert across == pytest.approx(256 / canvas.pixel[0], abs=2)


def test_pen_that_is_down_is_one_cell_of_the_tint() -> None:
    canvas = canvas_of((512, 512), "black")
    canvas.editor.put_down(erases=True)
    image = canvas.draw()
    pixels = [(x, y) for x in range(image.width) for y in range(image.height)]
    assert [at for at in pixels if image.getpixel(at) != (0, 0, 0)] == [(22, 22), (22, 23)]


def test_hard_edge_is_shown_by_whole_half_cells() -> None:
    canvas = canvas_of((500, 500), "black")
    canvas.draw()
    canvas.changed(canvas.editor.put_down())
    canvas.changed(canvas.editor.move_to((333, 251)))
    assert len({pixel for _, pixel in canvas.draw().getcolors() or []}) == 3
    canvas.editor.lift()
    canvas.editor.is_soft = True
    canvas.changed(canvas.editor.put_down())
    assert len({pixel for _, pixel in canvas.draw().getcolors() or []}) > 3


@pytest.mark.parametrize(("at", "wanted"), [((0.0, 0.0), 0.0), ((511.0, 511.0), 0.0)])
def test_cursor_stays_visible_in_a_magnified_picture(
    at: tuple[float, float], wanted: float
) -> None:
    canvas = canvas_of((512, 512))
    canvas.magnify(3)
    canvas.editor.move_to(at)
    assert canvas.follow_cursor()
    x, y = canvas.place_of(canvas.editor.cursor)
    columns, rows = canvas.cells
    assert wanted <= x < columns
    assert wanted <= y < rows * 2
    assert not canvas.follow_cursor()


def test_picture_is_magnified_around_the_cursor() -> None:
    canvas = canvas_of((512, 512))
    canvas.editor.move_to((400, 100))
    before = canvas.place_of(canvas.editor.cursor)
    canvas.magnify(2)
    columns, rows = canvas.cells
    x, y = canvas.place_of(canvas.editor.cursor)
    assert 0 <= x < columns
    assert 0 <= y < rows * 2
    assert y == pytest.approx(before[1], abs=1.5)


def test_added_borders_are_shown_and_points_stay_those_of_the_picture() -> None:
    canvas = canvas_of((128, 128), "red")
    canvas.editor.borders = Borders(left=128)
    image = canvas.draw()
    assert canvas.whole.width == 256
    assert image.getpixel((3, 20)) != image.getpixel((image.width - 3, 20))
    assert canvas.place_of((0, 0))[0] == pytest.approx(image.width / 2)


def test_what_is_cut_off_is_dark() -> None:
    canvas = canvas_of((128, 128), "white")
    canvas.editor.borders = Borders(right=-64)
    image = canvas.draw()
    bright, dark = image.getpixel((4, 4)), image.getpixel((image.width - 4, 4))
    assert sum(bright) > 2 * sum(dark)  # type: ignore[arg-type]


def test_resized_view_shows_the_same_mask() -> None:
    canvas = canvas_of((512, 512))
    canvas.magnify(1)
    canvas.changed(canvas.editor.put_down())
    canvas.editor.lift()
    canvas.resize(40, 10)
    image = canvas.draw()
    assert (image.width, image.height // 2) == canvas.cells
    canvas.zoom = Zoom()
    assert canvas.draw().width <= 40
