"""`sdtui sheet`: a contact sheet of pictures of the history, or the sheet of a grid again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdtui.cli.history import SearchCommand, joined_query, open_history
from sdtui.cli.output import echo_json, echo_path
from sdtui.core.errors import HistoryError, InvalidRequestError, OutputError, Problem
from sdtui.core.text import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.history import Entry
    from sdtui.jobs import Pictures

_MOST_PICTURES = 1000
_DEFAULT_SIDE = 256
"""Pixels."""
_CAPTIONS = ("prompt", "model", "sampler", "seed", "steps", "cfg", "size", "date", "name", "tags")
_LARGEST_SIDES = {".png": 2**31 - 1, ".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}
"""Pixels along a side that Pillow writes, by the file's suffix."""


@click.command(cls=SearchCommand, context_settings={"ignore_unknown_options": True})
@click.option("--out", "-o", type=click.Path(path_type=Path), help="The file. [sheet-TIME.png]")
@click.option(
    "--caption",
    "captions",
    metavar="NAMES",
    default="prompt",
    show_default=True,
    help=f"What stands below each picture: {', '.join(_CAPTIONS)}, separated by commas; or none.",
)
@click.option(
    "--columns", type=click.IntRange(1, 100), help="[as many as make the sheet about square]"
)
@click.option(
    "--side",
    type=click.IntRange(32, 1024),
    help="Width and height of each picture in pixels. [256, or less if all are smaller]",
)
@click.option("--margin", type=click.IntRange(0, 500), default=8, show_default=True)
@click.option("--limit", type=click.IntRange(1, _MOST_PICTURES), default=100, show_default=True)
@click.option(
    "--grid", "grid_id", metavar="ID", help="The labelled sheets of a grid again, in the history."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("query", nargs=-1)
def sheet(
    query: tuple[str, ...],
    out: Path | None,
    captions: str,
    columns: int | None,
    side: int | None,
    margin: int,
    limit: int,
    grid_id: str | None,
    as_json: bool,
) -> None:
    """Make a contact sheet of the pictures that QUERY finds, oldest first.

    The search language is that of "sdtui history search". Prints the path of the sheet.
    """
    names = _caption_names(captions)
    with open_history(here=True) as pictures:  # their files are read
        if grid_id is not None:
            paths = [str(each.path) for each in pictures.save_sheets(grid_id)]
            if not paths:
                raise HistoryError(f'there are no pictures of a grid "{grid_id}"')
        else:
            entries = pictures.entries(joined_query(query), limit=limit).entries[::-1]
            file = out or Path(f"sheet-{datetime.now():%Y%m%d-%H%M%S}.png")
            paths = [str(_write(pictures, entries, names, file, columns, side, margin))]
    if as_json:
        import json

        echo_json(json.dumps({"sheets": paths}))
        return
    for path in paths:
        echo_path(path)


def _caption_names(text: str) -> list[str]:
    names = [each.strip().lower() for each in text.split(",") if each.strip()]
    if names == ["none"]:
        return []
    for name in names:
        if name not in _CAPTIONS:
            message = f'knows no "{name}"; there are {", ".join(_CAPTIONS)}'
            raise InvalidRequestError([Problem("--caption", name, message)])
    return names


def _write(
    pictures: Pictures,
    entries: Sequence[Entry],
    names: Sequence[str],
    file: Path,
    columns: int | None,
    side: int | None,
    margin: int,
) -> Path:
    """Write a contact sheet. Raises HistoryError if there are no entries, and OutputError."""
    from sdtui.history import contact_sheet, default_columns, missing_letters_notice

    if file.suffix.lower() not in _LARGEST_SIDES:
        ending = f"ends in none of {', '.join(_LARGEST_SIDES)}"
        raise InvalidRequestError([Problem("--out", str(file), ending)])
    if not entries:
        raise HistoryError("nothing was found", '"sdtui history search" takes the same words')
    captioned = [(each.path, _caption(each, names)) for each in entries]
    largest = max(max(each.width, each.height) for each in entries)
    side = side or min(_DEFAULT_SIDE, largest)
    _check_size(len(entries), side, margin)
    image = contact_sheet(captioned, columns or default_columns(len(entries)), side, margin)
    if notice := missing_letters_notice([caption for _, caption in captioned]):
        click.echo(one_line(notice), err=True)
    save_sheet(image, file)
    return file


def save_sheet(image: Image, file: Path) -> None:
    """Write a sheet to a file of one of the formats. Raises OutputError."""
    largest = _LARGEST_SIDES[file.suffix.lower()]
    if max(image.size) > largest:
        size = f"{image.width:,} x {image.height:,} pixels"
        problem = f"the sheet has {size}, and {file.suffix} files at most {largest:,} along a side"
        raise OutputError(problem, "Use .png, or other --columns")
    try:
        image.save(file)
    except (OSError, ValueError) as error:
        raise OutputError(f"{file} can't be written: {error}", "Give another file") from error


def _check_size(count: int, side: int, margin: int) -> None:
    """Raise InvalidRequestError if the pictures of a sheet are too many megapixels."""
    from sdtui.requests.grids import MAX_SHEET_MEGAPIXELS

    megapixels = count * (side + margin) ** 2 / 1e6
    if megapixels > MAX_SHEET_MEGAPIXELS:
        message = (
            f"{count:,} pictures of {side} pixels make a sheet of {megapixels:,.0f} megapixels; "
            f"{MAX_SHEET_MEGAPIXELS} are allowed"
        )
        raise InvalidRequestError([Problem("--side", side, message)])


def _caption(entry: Entry, names: Sequence[str]) -> str:
    texts = {
        "prompt": entry.prompt,
        "model": entry.model,
        "sampler": entry.sampler,
        "seed": "" if entry.seed is None else f"seed {entry.seed}",
        "steps": "" if entry.steps is None else f"{entry.steps} steps",
        "cfg": "" if entry.guidance is None else f"cfg {entry.guidance:g}",
        "size": f"{entry.width}x{entry.height}",
        "date": f"{entry.time:%Y-%m-%d %H:%M}",
        "name": entry.path.name,
        "tags": " ".join(f"#{tag}" for tag in entry.tags),
    }
    return "\n".join(texts[name] for name in names if texts[name])
