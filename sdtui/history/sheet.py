"""Sheets: many pictures on one, with labels above and at the left, or with captions below them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.text import shortened, visible
from sdtui.history.sheet_font import lettering_for

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from sdtui.history.sheet_font import Font, Lettering

BACKGROUND, TEXT = "white", "black"
_SMALLEST_FONT = 12
_FONT_SHARE = 25
"""The font has (width + height) / 25 pixels, as in A1111."""
_MOST_LINES = 12
"""Of a label; the rest of a long prompt is left out."""
_MOST_CHARACTERS = 600


@dataclass(frozen=True)
class Labels:
    """The texts above the columns and left of the rows; empty ones take no space."""

    columns: Sequence[str]
    rows: Sequence[str]


def labelled_sheet(
    pictures: Mapping[tuple[int, int], Path],
    size: tuple[int, int],
    columns: int,
    rows: int,
    labels: Labels,
    margin: int = 0,
    scale: float = 1.0,
) -> Image:
    """Return a sheet of picture files by column and row; places without a picture, or with one that
    can't be read, stay blank. `size` is that of the largest picture in pixels, after all of them
    are made smaller by `scale`."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    width, height = size
    lettering = lettering_of([*labels.columns, *labels.rows], size)
    font = lettering.font
    space = _space(font)
    texts = [wrapped(lettering.drawable(each), font, width - space) for each in labels.columns]
    left = max(width * 3 // 4, 8 * font_height(font)) if any(labels.rows) else 0
    row_texts = [wrapped(lettering.drawable(each), font, left - 2 * space) for each in labels.rows]
    body = columns * width + (columns - 1) * margin
    top = _block_height(texts, font)
    sheet = Pillow.new("RGB", (left + body, top + rows * height + (rows - 1) * margin), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, lines in enumerate(texts):
        x = left + column * (width + margin)
        _draw_centred(draw, lines, (x, 0, x + width, top), font)
    for row, lines in enumerate(row_texts):
        y = top + row * (height + margin)
        _draw_centred(draw, lines, (0, y, left, y + height), font)
    for (column, row), path in pictures.items():
        place = (left + column * (width + margin), top + row * (height + margin))
        paste_centred(sheet, path, place, size, scale)
    return sheet


def side_by_side(
    sheets: Iterable[Image], titles: Sequence[str], margin: int, size: tuple[int, int]
) -> Image:
    """Return sheets of the same size side by side, one for each title, which stands above. `size`
    is that of their pictures. Each is let go before the next one is made."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    lettering = lettering_of(titles, size)
    font, whole = lettering.font, None
    for number, sheet in enumerate(sheets):
        if whole is None:
            width, wide = sheet.width, sheet.width - _space(font)
            texts = [wrapped(lettering.drawable(title), font, wide) for title in titles]
            top = _block_height(texts, font)
            total = len(titles) * width + (len(titles) - 1) * margin
            whole = Pillow.new("RGB", (total, top + sheet.height), BACKGROUND)
            draw = ImageDraw.Draw(whole)
        x = number * (width + margin)
        _draw_centred(draw, texts[number], (x, 0, x + width, top), font)
        whole.paste(sheet, (x, top))
    assert whole is not None  # there is at least one title
    return whole


def contact_sheet(
    pictures: Sequence[tuple[Path, str]], columns: int, side: int, margin: int
) -> Image:
    """Return pictures with their captions, row by row, each in a square of `side` pixels."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    lettering = lettering_of([caption for _, caption in pictures], (side, side))
    font = lettering.font
    texts = [wrapped(lettering.drawable(caption), font, side) for _, caption in pictures]
    rows = [
        range(start, min(start + columns, len(pictures)))
        for start in range(0, len(pictures), columns)
    ]
    heights = [side + _block_height([texts[each] for each in row], font) for row in rows]
    width = columns * side + (columns + 1) * margin
    sheet = Pillow.new("RGB", (width, sum(heights) + (len(rows) + 1) * margin), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    y = margin
    for row, height in zip(rows, heights, strict=True):
        for column, number in enumerate(row):
            x = margin + column * (side + margin)
            paste_centred(sheet, pictures[number][0], (x, y), (side, side))
            _draw_centred(draw, texts[number], (x, y + side, x + side, y + height), font)
        y += height + margin
    return sheet


def default_columns(count: int) -> int:
    """Return the columns of a sheet that is about as wide as it is high."""
    return max(1, math.ceil(math.sqrt(count)))


def paste_centred(
    sheet: Image,
    path: Path,
    place: tuple[int, int],
    size: tuple[int, int],
    scale: float = 1.0,
) -> None:
    """Paste a picture, made smaller by `scale`, into the middle of a rectangle; it is made still
    smaller if it doesn't fit. One that can't be read leaves it blank."""
    from PIL import Image as Pillow

    from sdtui.history.picture_errors import UNREADABLE

    try:
        with Pillow.open(path) as picture:
            image = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    except UNREADABLE:
        return
    wanted = (min(size[0], round(image.width * scale)), min(size[1], round(image.height * scale)))
    if wanted != image.size:
        image.thumbnail((max(1, wanted[0]), max(1, wanted[1])))
    offset = ((size[0] - image.width) // 2, (size[1] - image.height) // 2)
    mask = image if image.mode == "RGBA" else None
    sheet.paste(image, (place[0] + offset[0], place[1] + offset[1]), mask)


def lettering_of(texts: Sequence[str], size: tuple[int, int]) -> Lettering:
    """Return the font for texts on a sheet of pictures of this size."""
    shown = (visible(text[:_MOST_CHARACTERS], keep="\n") for text in texts)
    return lettering_for(shown, max(_SMALLEST_FONT, sum(size) // _FONT_SHARE))


def missing_letters_notice(texts: Sequence[str]) -> str:
    """Return what to say about letters that no font here has; "" if there are none."""
    missing = lettering_of(texts, (0, 0)).undrawable
    if not missing:
        return ""
    return (
        f"question marks stand for {shortened(missing)}, which no font of this machine has; "
        "Noto Sans CJK has them"
    )


def font_height(font: Font) -> int:
    """Return the height of a line in pixels."""
    _, top, _, bottom = font.getbbox("Ágy|")
    return math.ceil(bottom - top)


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Return a text in lines of at most `width` pixels: whole words where they fit."""
    plain = visible(text[:_MOST_CHARACTERS], keep="\n")
    lines: list[str] = []
    for paragraph in plain.split("\n"):
        lines += _wrapped_paragraph(paragraph.split(), lambda line: font.getlength(line) <= width)
    if len(lines) > _MOST_LINES or len(text) > _MOST_CHARACTERS:
        lines = [*lines[: _MOST_LINES - 1], "…"]
    return lines


def _wrapped_paragraph(words: Sequence[str], fits: Callable[[str], bool]) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in words:
        rest = word
        longer = f"{line} {word}" if line else word
        if fits(longer):
            line = longer
            continue
        if line:
            lines.append(line)
        while not fits(rest) and len(rest) > 1:
            end = next((end for end in range(len(rest) - 1, 1, -1) if fits(rest[:end])), 1)
            lines.append(rest[:end])
            rest = rest[end:]
        line = rest
    return [*lines, line] if line else lines


def _space(font: Font) -> int:
    """Return the pixels between a text and what is beside it."""
    return font_height(font) // 2


def _line_height(font: Font) -> int:
    return font_height(font) * 5 // 4


def _block_height(blocks: Sequence[Sequence[str]], font: Font) -> int:
    """Return the height of the highest of some blocks of lines, with space around it; 0 if all are
    empty."""
    lines = max(map(len, blocks), default=0)
    return lines * _line_height(font) + 2 * _space(font) if lines else 0


def _draw_centred(
    draw: ImageDraw, lines: Sequence[str], box: tuple[int, int, int, int], font: Font
) -> None:
    """Draw lines into the middle of a rectangle: left, top, right, bottom."""
    left, top, right, bottom = box
    y = top + (bottom - top - len(lines) * _line_height(font)) / 2
    for line in lines:
        x = left + (right - left - font.getlength(line)) / 2
        draw.text((x, y), line, TEXT, font)
        y += _line_height(font)
