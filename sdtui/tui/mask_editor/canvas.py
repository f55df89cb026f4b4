"""A mask over its picture, drawn with a pixel for each half-cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sdtui.tui.images.dithering import dithered, palette_of
from sdtui.tui.images.halfcell import fit, pixels_of
from sdtui.tui.images.zoom import Viewport, Zoom
from sdtui.tui.mask_editor.editor import MaskEditor, Tool
from sdtui.tui.mask_editor.strokes import Box, Point

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Rgb = tuple[int, int, int]

TINTS: tuple[Rgb, ...] = ((255, 85, 255), (85, 255, 255), (255, 255, 85), (85, 255, 85))
"""What masked parts are tinted with; all are among a terminal's 16 colours."""
_OPACITIES = (255, 90)
"""How opaque the tint is in the upper and in the lower half-cells, of 255. One colour is then the
same in all cells of a masked part, which takes half of the bytes of two."""
_BITS = 2
"""Of each channel of the picture in a masked part: more cells are alike, and fewer bytes sent."""
_LEVELS = [0] * 128 + [255] * 128
"""What is shown of the mask in half-cells: each then changes once as a stroke passes."""
_GREY_LEVELS = [0] * 64 + [100] * 64 + [180] * 64 + [255] * 64
"""What is shown of a mask with soft edges."""
_BAYER = (0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5)
"""The order in which the half-cells of a square of four get the tint in terminals of few
colours."""
_DOTTED = 0.5
"""How many of them a masked part has there."""
_BORDER_GREYS = (72, 104)
_OUTSIDE = 0.35
"""The brightness of what is cut off."""
_SMALLEST_RING = 1.5
"""Half-cells; a smaller brush is shown by a cross."""


@dataclass(frozen=True)
class Sides:
    """A width and a height in pixels."""

    width: float
    height: float


class Canvas:
    """Draws what an editor holds. The picture is read again only when another part of it is shown,
    and the mask only where it has changed."""

    def __init__(self, editor: MaskEditor, colour_system: str | None = None) -> None:
        self.editor = editor
        self.colour_system = colour_system
        """Rich's name of the terminal's colours."""
        self.zoom = Zoom()
        self.shows_mask = True
        self.shows_blur = False
        """The blur reaches far: with it each step of a stroke would change many cells."""
        self._columns, self._rows = 0, 0
        """Cells of the view."""
        self._base: Image | None = None
        self._mask: Image | None = None
        self._shown: tuple[object, ...] = ()
        """What the base was drawn for."""
        self.tint = _best_tint(editor.picture)

    def resize(self, columns: int, rows: int) -> None:
        """Set the view's size in cells."""
        self._columns, self._rows = columns, rows

    # Coordinates

    @property
    def _canvas(self) -> Box:
        """The box of picture and borders, in pixels of the picture."""
        return self.editor.borders.canvas(self.editor.size)

    @property
    def whole(self) -> Sides:
        """The size of picture and borders."""
        left, top, right, bottom = self._canvas
        return Sides(right - left, bottom - top)

    @property
    def area(self) -> Sides:
        """The view in half-cells."""
        return Sides(max(1, self._columns), max(2, self._rows * 2))

    @property
    def part(self) -> Viewport:
        """What is seen of picture and borders."""
        return self.zoom.viewport(self.whole, self.area)

    @property
    def cells(self) -> tuple[int, int]:
        """The columns and rows that the picture takes in the view."""
        return fit(self.part, max(1, self._columns), max(1, self._rows))

    @property
    def pixel(self) -> tuple[float, float]:
        """The size of a half-cell in pixels of the picture."""
        part, (columns, rows) = self.part, self.cells
        return part.width / columns, part.height / (rows * 2)

    def point_at(self, x: float, y: float) -> Point:
        """Return the point of the picture at a half-cell of the picture's cells."""
        part, (across, down), canvas = self.part, self.pixel, self._canvas
        return part.left + x * across + canvas[0], part.top + y * down + canvas[1]

    def place_of(self, point: Point) -> tuple[float, float]:
        """Return where a point of the picture is, in half-cells of the picture's cells."""
        part, (across, down), canvas = self.part, self.pixel, self._canvas
        return (point[0] - canvas[0] - part.left) / across, (point[1] - canvas[1] - part.top) / down

    def magnify(self, steps: int, at: tuple[float, float] | None = None) -> None:
        """Zoom in or out, by default around the cursor. `at` are fractions of the view."""
        if at is None:
            x, y = self.place_of(self.editor.cursor)
            columns, rows = self.cells
            area = self.area
            at = (
                min(1.0, max(0.0, 0.5 + (x - columns / 2) / area.width)),
                min(1.0, max(0.0, 0.5 + (y - rows) / area.height)),
            )
        self.zoom = self.zoom.magnified(steps, self.whole, self.area, at)

    def pan(self, right: float, down: float) -> None:
        """Move by fractions of what is seen."""
        self.zoom = self.zoom.panned(right, down, self.whole, self.area)

    def follow_cursor(self) -> bool:
        """Move so far that the cursor is seen: by half of the view, so that it is drawn anew
        seldom. Returns True if the view has moved."""
        before = self.zoom
        x, y = self.place_of(self.editor.cursor)
        columns, rows = self.cells
        right, down = _overstepped(x, columns), _overstepped(y, rows * 2)
        if (right or down) and not self.zoom.is_fit:
            self.pan(right, down)
        return self.zoom != before

    # Drawing

    def changed(self, box: Box | None) -> None:
        """Note that a box of the mask has changed."""
        if box is None or self._mask is None:
            return
        left, top = self.place_of((box[0], box[1]))
        right, bottom = self.place_of((box[2], box[3]))
        self._read_mask(
            (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)), self._mask
        )

    def draw(self) -> Image:
        """Return the view with a pixel for each half-cell of the picture's cells."""
        base, mask = self._drawn_base()
        image = base.copy()
        if self.shows_mask:
            self._tint(image, mask)
        image.paste(_contrast(image), (0, 0), self._marks(image.size))
        if self.editor.is_down:
            self._draw_pen(image)
        return image

    def _drawn_base(self) -> tuple[Image, Image]:
        """Return the picture and the mask in half-cells."""
        from PIL import Image

        state = (self.zoom, self._columns, self._rows, self.editor.borders)
        if self._base is None or self._mask is None or state != self._shown:
            columns, rows = self.cells
            self._base = self._read_picture(columns, rows)
            self._mask = Image.new("L", (columns, rows * 2))
            self._read_mask((0, 0, columns, rows * 2), self._mask)
            self._shown = state
        return self._base, self._mask

    def _read_picture(self, columns: int, rows: int) -> Image:
        from PIL import Image, ImageEnhance

        image = _border_pattern(columns, rows * 2).copy()
        self._copy(self.editor.picture, image, (0, 0, columns, rows * 2))
        if self.editor.borders.cuts:
            dark = ImageEnhance.Brightness(image).enhance(_OUTSIDE)
            kept = self._cells_of(self.editor.borders.frame(self.editor.size))
            dark.paste(image.crop(kept), kept[:2])
            image = dark
        fewer = dithered(pixels_of(image), columns, rows, self.colour_system)
        return Image.frombytes("RGB", (fewer.width, fewer.height), fewer.rgb)

    def _cells_of(self, box: Box) -> Box:
        """Return the half-cells that a box of the picture takes, within the picture's cells."""
        columns, rows = self.cells
        (left, top), (right, bottom) = self.place_of(box[:2]), self.place_of(box[2:])
        return (
            min(columns, max(0, round(left))),
            min(rows * 2, max(0, round(top))),
            min(columns, max(0, round(right))),
            min(rows * 2, max(0, round(bottom))),
        )

    def _copy(self, source: Image, target: Image, cells: Box) -> None:
        """Draw a part of something of the picture's size into half-cells of the view."""
        from PIL.Image import Resampling

        own = self._cells_of((0, 0, *self.editor.size))
        left, top = max(cells[0], own[0]), max(cells[1], own[1])
        right, bottom = min(cells[2], own[2]), min(cells[3], own[3])
        if left >= right or top >= bottom:
            return
        (x0, y0), (x1, y1) = self.point_at(left, top), self.point_at(right, bottom)
        box = (
            max(0.0, x0),
            max(0.0, y0),
            min(float(source.width), x1),
            min(float(source.height), y1),
        )
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        how = Resampling.BOX if self.pixel[0] > 1 else Resampling.NEAREST
        drawn = source.resize((right - left, bottom - top), how, box)
        target.paste(drawn, (left, top))

    def _read_mask(self, cells: Box, mask: Image) -> None:
        """Draw the mask anew in some half-cells."""
        self._copy(self.editor.mask, mask, cells)

    def _tint(self, image: Image, mask: Image) -> None:
        """Draw the mask over the picture; in terminals of few colours by whole half-cells."""
        from PIL import ImageChops, ImageFilter, ImageOps

        if self.shows_blur:
            radius = self.editor.blur / self.pixel[0]
            mask = mask.filter(ImageFilter.GaussianBlur(radius))
        else:
            mask = mask.point(_GREY_LEVELS if self.editor.has_grey else _LEVELS)
        if palette_of(self.colour_system):
            over = ImageChops.subtract(mask.point(_scaled(_DOTTED)), _thresholds(mask.size))
            image.paste(self.tint, (0, 0), over.point([0, *[255] * 255]))
            return
        image.paste(ImageOps.posterize(image, _BITS), (0, 0), mask)
        image.paste(self.tint, (0, 0), ImageChops.multiply(mask, _hatch(mask.size)))

    def _marks(self, size: tuple[int, int]) -> Image:
        """Return the cursor, and the outline of what is under way, as a mask of half-cells."""
        from PIL import Image, ImageDraw

        marks = Image.new("L", size)
        draw = ImageDraw.Draw(marks)
        editor = self.editor
        if editor.tool is Tool.BORDERS:
            self._draw_frame(draw)
            return marks
        places = [self._pixel_of(each) for each in editor.points]
        here = self._pixel_of(editor.cursor)
        if editor.draws_shape and editor.tool is Tool.RECTANGLE:
            (left, right), (top, bottom) = map(sorted, zip(places[0], here, strict=True))
            draw.rectangle((left, top, right, bottom), outline=255)
            marks.paste(0, (0, 0), _between_dots(size))
        elif editor.draws_shape:
            draw.line([*places, here], fill=255)
            draw.point([places[0]], fill=255)
        if editor.borders:
            self._draw_frame(draw)
        if not editor.is_down:
            self._draw_cursor(draw, here)
        return marks

    def _pixel_of(self, point: Point) -> tuple[int, int]:
        x, y = self.place_of(point)
        return math.floor(x), math.floor(y)

    def _draw_pen(self, image: Image) -> None:
        """Draw the pen that is down: a cell of the tint, which costs few bytes at each step."""
        x, y = self._pixel_of(self.editor.cursor)
        image.paste(self.tint, (x, y - y % 2, x + 1, y - y % 2 + 2))

    def _draw_cursor(self, draw: ImageDraw, here: tuple[int, int]) -> None:
        """Draw the cursor while the pen is up: the ring of the brush, or a cross."""
        x, y = here
        draw.point([here], fill=255)
        radius = self.editor.brush / 2 / self.pixel[0]
        if self.editor.tool is Tool.BRUSH and radius >= _SMALLEST_RING:
            side = max(2, round(radius))
            draw.ellipse((x - side, y - side, x + side, y + side), outline=255)
        else:
            near, far = 2, 3
            draw.line((x - far, y, x - near, y), fill=255)
            draw.line((x + near, y, x + far, y), fill=255)
            draw.line((x, y - far, x, y - near), fill=255)
            draw.line((x, y + near, x, y + far), fill=255)

    def _draw_frame(self, draw: ImageDraw) -> None:
        """Draw the edge of the result."""
        frame = self.editor.borders.frame(self.editor.size)
        left, top, right, bottom = self._cells_of(frame)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=255)


def _overstepped(place: float, length: int) -> float:
    """Return how far to move, as a fraction of the view."""
    if place < 0:
        return min(-0.5, place / length - 0.25)
    if place >= length:
        return max(0.5, place / length - 1 + 0.25)
    return 0.0


@lru_cache(maxsize=4)
def _scaled(factor: float) -> list[int]:
    return [round(value * factor) for value in range(256)]


@lru_cache(maxsize=4)
def _thresholds(size: tuple[int, int]) -> Image:
    """Return how much of a mask is needed in each half-cell for the tint."""
    from PIL import Image

    square = Image.frombytes("L", (4, 4), bytes(round((each + 0.5) * 16) for each in _BAYER))
    return _tiled(square, size)


@lru_cache(maxsize=4)
def _hatch(size: tuple[int, int]) -> Image:
    """Return how opaque the tint is in each half-cell."""
    from PIL import Image

    return _tiled(Image.frombytes("L", (1, 2), bytes(_OPACITIES)).resize((16, 2)), size)


@lru_cache(maxsize=4)
def _border_pattern(columns: int, rows: int) -> Image:
    """Return the squares that stand for what isn't painted yet."""
    from PIL import Image

    dark, light = _BORDER_GREYS
    square = Image.new("L", (4, 4), dark)
    square.paste(light, (0, 0, 2, 2))
    square.paste(light, (2, 2, 4, 4))
    return _tiled(square, (columns, rows)).convert("RGB")


@lru_cache(maxsize=4)
def _between_dots(size: tuple[int, int]) -> Image:
    """Return what is left out of the outline of a rectangle: all but every third half-cell, always
    the same ones, since its edges move with each key."""
    from PIL import Image

    square = Image.new("L", (3, 3), 255)
    for x, y in ((0, 0), (2, 1), (1, 2)):
        square.putpixel((x, y), 0)
    return _tiled(square, size)


def _tiled(square: Image, size: tuple[int, int]) -> Image:
    from PIL import Image

    image = Image.new(square.mode, size)
    for y in range(0, size[1], square.height):
        for x in range(0, size[0], square.width):
            image.paste(square, (x, y))
    return image


def _contrast(image: Image) -> Image:
    """Return white where a picture is dark, and black where it is bright."""
    return image.convert("L").point([255 if value < 128 else 0 for value in range(256)])


def _best_tint(picture: Image) -> Rgb:
    """Return the tint that differs most from the picture's colours."""
    from PIL.Image import Resampling

    small = picture.resize((16, 16), Resampling.NEAREST).tobytes()
    colours = [small[at : at + 3] for at in range(0, len(small), 3)]

    def nearest(tint: Rgb) -> float:
        distances = sorted(
            sum((a - b) ** 2 for a, b in zip(tint, each, strict=True)) for each in colours
        )
        return sum(distances[: len(distances) // 4])

    return max(TINTS, key=nearest)
