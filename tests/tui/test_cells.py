"""The terminal is sent only the cells that changed, and shows what Textual has drawn."""

from __future__ import annotations

import random
import re
from threading import Event
from typing import Any

import pyte
import pytest
from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Static

from sdtui.tui.terminal.cell_writer import Abilities, CellWriter, change_of_look, movement
from sdtui.tui.terminal.cells import PLAIN, CellGrid, Look, cells_of
from sdtui.tui.terminal.raster import MARK, Area, Raster, Rasters, mark
from sdtui.tui.textual_internals.drawing import draw_update

RED, BOLD = Look(foreground="31"), Look("1")
TEXTS = ("a cat", "猫と犬", "e\u0301te\u0301", "━━╸──", "▀▀▀", "   ", "x" * 30, "", "a\nb\nc")
STYLES = ("red", "bold", "on blue", "white on #102030", "underline", "reverse", "none", "dim")


class Emulator:
    """A terminal of a size, fed with what is sent."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self.screen.reset_mode(pyte.modes.DECAWM)
        self.stream = pyte.Stream(self.screen)

    def cells(self) -> list[list[tuple[object, ...]]]:
        """Return text and style of every cell. A colour can't be seen on a space."""
        return [
            [
                (cell.data, cell.bg, cell.underscore, cell.reverse, cell.strikethrough)
                + (("", False) if cell.data == " " else (cell.fg, cell.bold))
                for cell in (self.screen.buffer[y][x] for x in range(self.screen.columns))
            ]
            for y in range(self.screen.lines)
        ]


class Scene(App[None]):
    """An app whose frames go to two emulators: as Textual writes them, and as cells."""

    CSS = "Container { height: auto; } Static { width: auto; height: auto; min-width: 3; }"

    def __init__(self, size: tuple[int, int], erases: bool, limit: int | None) -> None:
        super().__init__()
        self.limit = limit
        self.full = Emulator(*size)
        self.cells = Emulator(*size)
        self.grid = CellGrid(0, 0)
        self.writer = CellWriter(0, 0, Abilities(erases=erases))
        self.frames = self.full_size = self.cells_size = 0

    def compose(self) -> ComposeResult:
        yield Container(Static("one"), Static("two"), id="all")

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        if not isinstance(renderable, CompositorUpdate):
            return
        text = renderable.render_segments(self.console)
        draw_update(renderable, screen, self.console, self.grid)
        self.full.stream.feed(text)
        self.full_size += len(text)
        self.frames += 1
        is_whole = False
        while not is_whole:
            update, is_whole = self.writer.update(self.grid, (0, 0), self.limit)
            self.cells.stream.feed(update)
            self.cells_size += len(update)
        assert self.cells.cells() == self.full.cells()


@pytest.mark.parametrize("seed", range(6))
async def test_random_frames_look_as_textual_draws_them(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.choice([(40, 12), (80, 24), (23, 7)])
    app = Scene(size, erases=chance.random() < 0.7, limit=chance.choice([None, 30, 200]))
    async with app.run_test(size=size) as pilot:
        everything = app.query_one("#all")
        for _ in range(25):
            widgets = list(everything.query(Static))
            match chance.choice(["update", "update", "add", "remove", "style", "move"]):
                case "add":
                    await everything.mount(Static(chance.choice(TEXTS), markup=False))
                case "remove" if widgets:
                    await chance.choice(widgets).remove()
                case "update" if widgets:
                    text = f"[{chance.choice(STYLES)}]{chance.choice(TEXTS)}[/] {chance.random()}"
                    chance.choice(widgets).update(text)
                case "style" if widgets:
                    chance.choice(widgets).styles.background = chance.choice(["red", "#123456"])
                case "move" if widgets:
                    chance.choice(widgets).styles.offset = (chance.randrange(9), 0)
            await pilot.pause()
    assert app.frames > 10
    assert app.cells_size < app.full_size / 2


def written(writer: CellWriter, grid: CellGrid, limit: int | None = None) -> str:
    return writer.update(grid, (0, 0), limit)[0]


def drawn(*lines: str, look: Look = PLAIN) -> tuple[CellGrid, CellWriter]:
    """Return a grid with some lines, and a writer that has written them."""
    grid = CellGrid(20, len(lines))
    for y, line in enumerate(lines):
        grid.put(y, 0, line.ljust(20), look, 20)
    writer = CellWriter(20, len(lines), Abilities())
    written(writer, grid)
    return grid, writer


def test_unchanged_screen_sends_nothing() -> None:
    grid, writer = drawn("a cat", "a dog")
    grid.put(0, 0, "a cat", PLAIN, 20)
    assert written(writer, grid) == ""


def test_one_letter_sends_one_letter() -> None:
    grid, writer = drawn("a cat", "a dog")
    grid.put(1, 2, "f", PLAIN, 20)
    assert written(writer, grid) == "\x1b[2;3Hf\x1b[1H"


def test_blank_rest_of_a_line_is_erased() -> None:
    grid, writer = drawn("a long line of text", "the next")
    grid.put(0, 2, " " * 18, PLAIN, 20)
    assert written(writer, grid) == "a \x1b[K\r"


def test_terminal_that_cannot_erase_gets_spaces() -> None:
    grid = CellGrid(20, 1)
    writer = CellWriter(20, 1, Abilities(erases=False))
    grid.put(0, 0, " " * 20, Look(background="41"), 20)
    assert written(writer, grid).count(" ") == 20


def test_colour_of_a_space_does_not_matter() -> None:
    grid, writer = drawn("a cat")
    grid.put(0, 5, "   ", Look("1", "31"), 20)
    assert written(writer, grid) == ""


def test_half_a_wide_character_that_is_overwritten_leaves_a_space() -> None:
    grid, _ = drawn("猫犬")
    grid.put(0, 1, "x", PLAIN, 20)
    emulator = Emulator(20, 1)
    emulator.stream.feed(written(CellWriter(20, 1, Abilities()), grid))
    assert emulator.screen.display[0].rstrip() == " x犬"


def test_cursor_is_placed_again_after_characters_of_uncertain_width() -> None:
    grid, writer = drawn("")
    grid.put(0, 0, "👍🏽ab", PLAIN, 20)
    assert "\x1b[1;3H" in written(writer, grid)


def test_everything_is_sent_after_something_else_has_drawn() -> None:
    grid, writer = drawn("a cat", look=RED)
    writer.forget()
    assert "\x1b[0;31m" in (text := written(writer, grid))
    assert "a" in text
    assert "cat" in text


def test_text_is_sent_before_pictures_and_nothing_is_lost_at_a_limit() -> None:
    grid, writer = drawn(*[""] * 10)
    for y in range(10):
        for x in range(10):
            colours = Look("", f"38;2;{x};{y};1", f"48;2;{y};{x};2")
            grid.put(y, x, "▀", colours, 20)
    grid.put(9, 12, "text", PLAIN, 20)
    parts = []
    is_whole = False
    while not is_whole:
        part, is_whole = writer.update(grid, (0, 0), 300)
        parts.append(part)
    assert "text" in parts[0]
    assert len(parts) > 4
    assert max(map(len, parts)) < 800
    assert "".join(parts).count("▀") == 100
    assert writer.shown.rows == grid.rows


def with_picture() -> tuple[CellGrid, CellWriter, str]:
    """Return a grid with a picture of 2 rows and 6 columns, its writer, and the picture's mark."""
    rasters = Rasters()
    raster = Raster(lambda area: (f"<{area.top},{area.left}-{area.bottom},{area.right}>",))
    for area in (Area(0, 0, 2, 6), Area(0, 1, 1, 5), Area(0, 1, 1, 2), Area(0, 4, 1, 5)):
        raster.prepare(area)
    marked = mark(rasters.add(raster), 0, 2)
    grid, _ = drawn("", "", "")
    for y in (0, 1):
        grid.put(y, 2, marked * 6, PLAIN, 20)
    return grid, CellWriter(20, 3, Abilities(), rasters), marked


def test_picture_is_drawn_once_over_its_cells() -> None:
    grid, writer, _ = with_picture()
    text = written(writer, grid)
    assert "\x1b[1;3H<0,0-2,6>" in text
    assert MARK not in text
    grid.put(2, 0, "below", PLAIN, 20)
    assert "<" not in written(writer, grid)


def test_only_the_part_of_a_picture_that_was_covered_is_drawn_again() -> None:
    grid, writer, marked = with_picture()
    written(writer, grid)
    grid.put(0, 3, "over", PLAIN, 20)
    text = written(writer, grid)
    assert "over" in text
    assert "<" not in text
    grid.put(0, 3, marked * 4, PLAIN, 20)
    assert "\x1b[1;4H<0,1-1,5>" in written(writer, grid)
    assert written(writer, grid) == ""


def test_marks_are_not_written_to_reach_cells_beyond() -> None:
    grid, writer, _ = with_picture()
    written(writer, grid)
    grid.put(0, 0, "ab", PLAIN, 20)
    grid.put(0, 8, "c", PLAIN, 20)
    text = written(writer, grid)
    assert "ab" in text
    assert MARK not in text


def test_cells_of_a_picture_that_goes_are_written() -> None:
    grid, writer, _ = with_picture()
    written(writer, grid)
    for y in (0, 1):
        grid.put(y, 2, " " * 6, PLAIN, 20)
    text = written(writer, grid)
    assert "<" not in text
    assert text.count("\x1b[K") == 2


def test_picture_far_to_the_right_is_drawn_there() -> None:
    rasters = Rasters()
    raster = Raster(lambda _: ("<picture>",))
    raster.prepare(Area(0, 0, 1, 3))
    grid = CellGrid(500, 300)
    grid.put(290, 480, mark(rasters.add(raster), 290, 480) * 3, PLAIN, 500)
    writer = CellWriter(500, 300, Abilities(), rasters)
    assert "\x1b[291;481H<picture>" in written(writer, grid)


def test_picture_comes_row_by_row_on_a_slow_line() -> None:
    rasters = Rasters()
    raster = Raster(lambda area: (f"<{area.top}>" + "." * 100,))
    for y in range(10):
        raster.prepare(Area(y, 0, y + 1, 20))
    marked = mark(rasters.add(raster), 0, 0)
    grid, _ = drawn(*[""] * 10)
    for y in range(10):
        grid.put(y, 0, marked * 20, PLAIN, 20)
    writer = CellWriter(20, 10, Abilities(), rasters)
    parts = []
    is_whole = False
    while not is_whole:
        part, is_whole = writer.update(grid, (0, 0), 300)
        parts.append(part)
    assert len(parts) == 4
    assert re.findall(r"<\d>", "".join(parts)) == [f"<{y}>" for y in range(10)]


def test_area_that_is_not_ready_is_drawn_when_it_is() -> None:
    rasters, ready = Rasters(), Event()
    rasters.ready = ready.set
    marked = mark(rasters.add(Raster(lambda _: ("<picture>",))), 0, 0)
    grid, _ = drawn("")
    writer = CellWriter(20, 1, Abilities(), rasters)
    grid.put(0, 0, marked * 3, PLAIN, 20)
    assert "<picture>" not in written(writer, grid)
    assert ready.wait(10)
    assert "<picture>" in written(writer, grid)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, PLAIN, "\x1b[0m"),
        (RED, PLAIN, "\x1b[39m"),
        (RED, BOLD, "\x1b[1;39m"),
        (BOLD, RED, "\x1b[0;31m"),
        (RED, Look("", "31", "44"), "\x1b[44m"),
        (PLAIN, Look(link="https://a"), "\x1b]8;;https://a\x1b\\"),
    ],
)
def test_only_what_differs_of_a_look_is_sent(
    before: Look | None, after: Look, expected: str
) -> None:
    assert change_of_look(before, after) == expected


def test_cells_of_one_look_are_written_together() -> None:
    grid, writer = drawn("")
    x = 0
    for text, look in (("aaa", RED), ("bbb", BOLD), ("ccc", RED), ("ddd", BOLD)):
        x = grid.put(0, x, text, look, 20)
    text = written(writer, grid)
    assert text == "\x1b[31maaa\x1b[3Cccc\x1b[6D\x1b[1;39mbbb\x1b[3Cddd\r"


def test_nearly_the_same_colours_of_a_picture_are_not_sent_again() -> None:
    grid = CellGrid(3, 1)
    for x, red in enumerate((100, 104, 110)):
        grid.put(0, x, "▀", Look("", f"38;2;{red};0;0", "48;2;9;9;9"), 3)
    text = written(CellWriter(3, 1, Abilities(tolerance=(4, 4, 4))), grid)
    assert text.startswith("\x1b[1H\x1b[0;38;2;100;0;0;48;2;9;9;9m▀▀\x1b[38;2;110;0;0m▀")


def test_each_channel_has_a_tolerance_of_its_own() -> None:
    colours = ("100;100;100", "106;104;108", "100;105;100")
    grid = CellGrid(3, 1)
    for x, rgb in enumerate(colours):
        grid.put(0, x, "▀", Look("", f"38;2;{rgb}", "48;2;9;9;9"), 3)
    text = written(CellWriter(3, 1, Abilities(tolerance=(6, 4, 8))), grid)
    assert colours[0] in text
    assert colours[1] not in text
    assert colours[2] in text


def test_colours_of_text_are_exact() -> None:
    grid = CellGrid(2, 1)
    grid.put(0, 0, "a", Look("", "38;2;100;0;0"), 2)
    grid.put(0, 1, "b", Look("", "38;2;101;0;0"), 2)
    assert "38;2;101;0;0" in written(CellWriter(2, 1, Abilities(tolerance=(4, 4, 4))), grid)


def test_combining_characters_belong_to_the_character_before() -> None:
    assert cells_of("e\u0301x", RED) == ("", [("e\u0301", RED), ("x", RED)])
    assert cells_of("\u0301x", RED) == ("\u0301", [("x", RED)])


@pytest.mark.parametrize(
    ("before", "place", "expected"),
    [
        (None, (3, 0), "\x1b[4H"),
        ((3, 5), (3, 6), "\x1b[C"),
        ((3, 5), (3, 9), "\x1b[4C"),
        ((3, 56), (4, 55), "\x1b[B\b"),
        ((3, 56), (4, 0), "\x1b[B\r"),
        ((3, 56), (4, 20), "\x1b[5;21H"),
        ((3, 56), (2, 56), "\x1b[3;57H"),
    ],
)
def test_cursor_takes_the_shortest_way(
    before: tuple[int, int] | None, place: tuple[int, int], expected: str
) -> None:
    assert movement(before, *place) == expected
