"""`sdtui generate`: prompts in, pictures out. stdout has data, stderr progress."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from sdtui.cli.connect import connect_option, connected_settings
from sdtui.cli.destination import open_destination
from sdtui.cli.options import FilePath, request_options, request_values
from sdtui.cli.running import output_options, run_jobs, shared_values, source_options
from sdtui.core.errors import SettingsError
from sdtui.core.places import HERE
from sdtui.core.runtime import leave


@click.command()
@connect_option
@click.argument("prompt", required=False)
@click.option(
    "--from",
    "file",
    type=FilePath(),
    help="A file of many prompts: one a line, or JSON objects of request fields. - = stdin.",
)
@source_options
@click.option(
    "--embeddings",
    type=FilePath(),
    multiple=True,
    metavar="FOLDER",
    help="A folder of embeddings, besides those of the settings; can be repeated.",
)
@click.option(
    "--as-written",
    is_flag=True,
    help="With --like: the prompts with their alternatives, wildcards and styles, so that others "
    "can be made of them.",
)
@request_options
@output_options
def generate(
    prompt: str | None,
    file: Path | None,
    like: Path | None,
    as_written: bool,
    preset_name: str | None,
    embeddings: tuple[Path, ...],
    out: str | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> int:
    """Make pictures from PROMPT ("-" reads it from stdin).

    Prints the path of each picture on stdout.
    """
    from sdtui.cli.backend import open_models
    from sdtui.cli.logs import log_to_file
    from sdtui.cli.prompts import read_requests
    from sdtui.jobs.request_checks import check_requests
    from sdtui.requests.input_images import check_input_images

    if (prompt is None) == (file is None) and like is None:
        raise click.UsageError("give one PROMPT (- = stdin), or --from FILE")
    log_to_file()
    settings = connected_settings()
    if embeddings and settings.connect not in ("", HERE):
        message = "--embeddings: the engine reads its own folders"
        raise SettingsError(message, "Name the folder in its configuration (embedding_folders)")
    folders = (*embeddings, *settings.embedding_folders)
    settings = replace(settings, embedding_folders=folders)
    shared = shared_values(settings, like, preset_name, quiet=quiet, as_written=as_written)
    requests = read_requests(prompt, file, shared, request_values(flags))
    models = open_models(settings)
    # What is wrong is reported before torch is loaded.
    for model in {request.model for request in requests}:
        models.describe(models.find(model))
    check_requests(models, requests, allow_files=True)
    if len(requests) == 1:  # of several, one may start from the picture of another
        check_input_images(requests[0])
    with open_destination(out, requests, as_json=as_json) as destination:
        code, ended = run_jobs(
            settings,
            lambda queue, output: [queue.submit(each, output) for each in requests],
            destination,
            as_json=as_json,
            quiet=quiet,
        )
    if not ended:
        leave(code)
    return code
