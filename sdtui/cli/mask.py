"""`sdtui mask`: draw a mask over a picture in the terminal."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdtui.cli.output import echo_path
from sdtui.core.errors import OutputError
from sdtui.core.files import write_atomic
from sdtui.core.settings import load_settings
from sdtui.core.text import visible

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.tui.mask_editor.result import DrawnMask

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("picture", type=_PATH)
@click.option("--out", "-o", type=_PATH, help="The mask's file, a PNG. [PICTURE-mask.png]")
@click.option("--mask", "first", type=_PATH, help="A mask to go on with.")
def mask(picture: Path, out: Path | None, first: Path | None) -> int:
    """Draw a mask over PICTURE, by keys or with the mouse: white is made anew.

    Prints the path of the mask. Borders that were added are flags of "sdtui generate", which are
    printed on stderr; of a picture of which something was cut off, what is left is written too. The
    exit code is 1 if the mask was not to be used.
    """
    from sdtui.requests.input_images import open_init_image, open_mask
    from sdtui.tui import draw_mask
    from sdtui.tui.mask_editor.editor import MaskEditor
    from sdtui.tui.mask_editor.result import drawn_mask

    settings = load_settings()
    image = open_init_image(picture).image
    out = out or picture.with_name(f"{picture.stem}-mask.png")
    _check_place(out, picture)
    before = None if first is None else open_mask(first).image
    editor = MaskEditor(image, before)
    if not draw_mask(settings, editor, may_be_empty=before is not None):
        click.echo("Nothing was written.", err=True)
        return 1
    _write(drawn_mask(editor), picture, out)
    return 0


def _check_place(out: Path, picture: Path) -> None:
    """Raise OutputError if a mask can't be written there, before it is drawn."""
    problem = ""
    if out.is_dir():
        problem = "it is a folder"
    elif not os.access(out.parent, os.W_OK):
        problem = f"no file can be written in the folder {out.parent}"
    elif out.exists() and out.samefile(picture):
        problem = "it is the picture itself"
    if problem:
        raise OutputError(f"the mask can't be {out}: {problem}", "Give another file with --out")


def _write(drawn: DrawnMask, picture: Path, out: Path) -> None:
    """Write what was drawn, and say how it is used. Raises OutputError."""
    flags = ["--init-image", str(picture)]
    if drawn.picture is not None:
        left = out.with_name(f"{out.stem}-picture.png")
        _save(drawn.picture, left)
        echo_path(str(left))
        flags[1] = str(left)
    if drawn.mask is not None:
        _save(drawn.mask, out)
        echo_path(str(out))
        flags += ["--mask", str(out)]
        if drawn.blur:
            flags += ["--mask-blur", str(drawn.blur)]
    if drawn.borders:
        flags += ["--outpaint", drawn.borders.text]
    if sys.stderr.isatty():
        click.echo(visible(f"sdtui generate PROMPT {shlex.join(flags)}"), err=True)


def _save(image: Image, path: Path) -> None:
    from sdtui.tui.mask_editor.files import as_png

    try:
        write_atomic(path, as_png(image))
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror}", "Give another file"
        ) from error
