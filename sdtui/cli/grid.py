"""`sdtui grid`: one prompt over the values of up to three axes, and a sheet of the pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.connect import connect_option, connected_settings
from sdtui.cli.destination import open_destination
from sdtui.cli.options import request_options, request_values
from sdtui.cli.output import echo_json, echo_path
from sdtui.cli.running import output_options, run_jobs, shared_values, source_options
from sdtui.core.runtime import leave

if TYPE_CHECKING:
    from sdtui.cli.destination import Destination
    from sdtui.cli.fetched import FetchedDestination
    from sdtui.jobs import Backend, Models
    from sdtui.requests.grids import Grid, GridOptions
    from sdtui.requests.request import GenerationRequest

_SHEET_SECONDS = 600
"""The longest that writing the sheets is waited for."""
_LARGEST_MARGIN = 500
"""Pixels, as in A1111."""
_AXES = ("x", "y", "z")


@click.command()
@connect_option
@click.argument("prompt", required=False)
@click.option("--x", metavar="AXIS=VALUES", help="The columns, e.g. steps=10-30[3].")
@click.option("--y", metavar="AXIS=VALUES", help='The rows, e.g. "prompt=cat,dog".')
@click.option("--z", metavar="AXIS=VALUES", help="A sheet for each, e.g. model=a,b.")
@click.option(
    "--vary-seeds",
    multiple=True,
    type=click.Choice(_AXES),
    help="Count the seed up along an axis.",
)
@click.option("--no-labels", is_flag=True, help="No texts on the sheet.")
@click.option(
    "--margin",
    type=click.IntRange(0, _LARGEST_MARGIN),
    default=0,
    help="Pixels between the pictures of the sheet.",
)
@source_options
@request_options
@output_options
def grid(
    prompt: str | None,
    x: str | None,
    y: str | None,
    z: str | None,
    vary_seeds: tuple[str, ...],
    no_labels: bool,
    margin: int,
    like: Path | None,
    preset_name: str | None,
    out: str | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> int:
    """Make a grid of pictures from PROMPT over the values of up to three axes.

    An axis is a field of a request or "prompt", whose first value is replaced by each. Prints the
    path of each picture on stdout, and last those of the sheets.
    """
    from sdtui.cli.backend import open_models
    from sdtui.cli.logs import log_to_file
    from sdtui.cli.prompts import read_requests
    from sdtui.requests.grids import GridOptions

    if prompt is None and like is None:
        raise click.UsageError("give a PROMPT (- = stdin)")
    if x is y is z is None:
        raise click.UsageError("give at least one axis with --x, --y or --z")
    log_to_file()
    settings = connected_settings()
    shared = shared_values(settings, like, preset_name, quiet=quiet)
    (request,) = read_requests(prompt, None, shared, request_values(flags))
    options = GridOptions(tuple(map(str.upper, vary_seeds)), False, not no_labels, margin)
    made = _make_grid(request, (x, y, z), options)
    _check(made, open_models(settings))
    requests = [cell.request for cell in made.cells]
    with open_destination(out, requests, as_json=as_json) as destination:
        code, ended = run_jobs(
            settings,
            lambda queue, output: queue.submit_grid(made, output),
            destination,
            as_json=as_json,
            quiet=quiet,
            conclude=partial(_print_sheets, made.record.id, as_json),
        )
    if not ended:
        leave(code)
    return code


def _make_grid(
    request: GenerationRequest, axes: tuple[str | None, ...], options: GridOptions
) -> Grid:
    from sdtui.requests.grids import NOTHING, Grid, make_axis, parse_axis

    return Grid(
        request,
        [
            make_axis(letter, NOTHING, "", request)
            if text is None
            else parse_axis(letter, text, request)
            for letter, text in zip("XYZ", axes, strict=True)
        ],
        options,
    )


def _check(made: Grid, models: Models) -> None:
    """Report what is wrong with models, files and the sheet before torch is loaded."""
    from sdtui.jobs.request_checks import check_grid
    from sdtui.requests.input_images import open_init_image

    check_grid(models, made)
    for path in {file for cell in made.cells for file in cell.request.input_images().values()}:
        open_init_image(path)


def _print_sheets(
    grid_id: str,
    as_json: bool,
    backend: Backend,
    destination: Destination | FetchedDestination,
) -> None:
    """Print the paths or records of a grid's sheets."""
    from sdtui.cli.fetched import FetchedDestination
    from sdtui.history import read_record, sidecar_path

    paths = backend.jobs.sheets(grid_id, _SHEET_SECONDS)
    is_elsewhere, shown = False, paths
    if isinstance(destination, FetchedDestination):
        is_elsewhere, shown = True, tuple(destination.deliver_sheets(grid_id, paths))
    for path, here in zip(paths, shown, strict=True):
        if not as_json:
            echo_path(here)
        elif is_elsewhere:
            pictures = backend.pictures
            echo_json(pictures.record(pictures.get(Path(path))).model_dump_json())
        else:
            echo_json(read_record(sidecar_path(Path(path))).model_dump_json())
