"""`sdtui generate`: prompts in, pictures out. stdout has data, stderr progress."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.destination import Destination, open_destination
from sdtui.cli.options import FilePath, request_options, request_values
from sdtui.cli.output import echo_json, echo_path
from sdtui.core.errors import DeviceLostError, OutputError
from sdtui.core.runtime import leave
from sdtui.core.text import one_line

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Job, Jobs
    from sdtui.requests.events import Failed, JobEvent
    from sdtui.requests.request import GenerationRequest

_HINT_UNSAVED = "Make room or give another folder with --out, and generate it again"


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "--from",
    "file",
    type=FilePath(),
    help="A file of many prompts: one a line, or JSON objects of request fields. - = stdin.",
)
@click.option(
    "--like",
    type=FilePath(),
    metavar="PICTURE",
    help="Take all settings from a picture of ours or of another tool; flags override them.",
)
@click.option(
    "--preset",
    "preset_name",
    metavar="NAME",
    help="Take the values of a preset that the app saved; flags override them.",
)
@request_options
@click.option(
    "--out",
    "-o",
    metavar="PATH",
    help="A folder, or a file name ending in .png, .jpg or .webp. - = stdout. "
    "[the pictures folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print each record as a line of JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
def generate(
    prompt: str | None,
    file: Path | None,
    like: Path | None,
    preset_name: str | None,
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
    from sdtui.core.settings import load_settings
    from sdtui.requests.input_images import open_init_image

    if (prompt is None) == (file is None) and like is None:
        raise click.UsageError("give one PROMPT (- = stdin), or --from FILE")
    log_to_file()
    settings = load_settings()
    shared = settings.request_defaults()
    if like is not None:
        shared |= _settings_of(like, quiet)
    if preset_name is not None:
        from sdtui.requests.presets import preset

        shared |= preset(preset_name)
    requests = read_requests(prompt, file, shared, request_values(flags))
    models = open_models(settings)
    # What is wrong is reported before torch is loaded.
    for model in {request.model for request in requests}:
        models.describe(models.find(model))
    if len(requests) == 1:  # of several, one may start from the picture of another
        for path in requests[0].input_images().values():
            open_init_image(path)
    with open_destination(out, requests, as_json=as_json) as destination:
        code, ended = _run(settings, requests, destination, as_json, quiet)
    if not ended:
        leave(code)
    return code


def _run(
    settings: Settings,
    requests: list[GenerationRequest],
    destination: Destination,
    as_json: bool,
    quiet: bool,
) -> tuple[int, bool]:
    """Generate the pictures of every request in turn; return the worst exit code, and True if the
    process can end as usual: the worker has ended, and its device isn't lost."""
    from sdtui.cli.backend import open_backend
    from sdtui.cli.progress_output import ProgressOutput

    backend = open_backend(settings)
    queue = backend.jobs
    silent = {"saved"} if destination.has_no_files else set()
    with ProgressOutput(quiet=quiet, bar=sys.stderr.isatty(), silent=silent) as progress_output:
        queue.subscribe(progress_output.put)
        failures: dict[str, Failed] = {}
        queue.subscribe(lambda each: _keep_failure(failures, each))
        jobs = [queue.submit(request, destination.output) for request in requests]
        code, is_lost = 0, False
        try:
            for job in jobs:
                over = destination.deliver(queue.wait(job.id))
                code = max(code, _report(over, as_json, failures.get(job.id)))
                is_lost = over.error_type == DeviceLostError.__name__
                if is_lost:
                    break
        except KeyboardInterrupt:
            code = INTERRUPTED
            _interrupt(queue, jobs, destination, as_json)
        ended = backend.close(timeout=30 if code == INTERRUPTED else 5)
    return code, ended and not is_lost


def _keep_failure(failures: dict[str, Failed], envelope: JobEvent) -> None:
    if envelope.event.kind == "failed":
        failures[envelope.job] = envelope.event


def _report(job: Job, as_json: bool, failure: Failed | None = None) -> int:
    """Print a job's result; return its exit code."""
    if as_json and job.record is not None:
        echo_json(job.record.model_dump_json())
    elif not as_json:
        for path in job.pictures:
            echo_path(path)
    if job.error is not None:
        error = job.error
        if failure is not None and failure.error_type == OutputError.__name__:
            error = str(OutputError(failure.error, _HINT_UNSAVED))  # its own needs the process
        click.echo(f"sdtui: {one_line(error)}", err=True)
        return 2 if job.is_user_error else 1
    return INTERRUPTED if job.state == "cancelled" else 0


def _interrupt(queue: Jobs, jobs: list[Job], destination: Destination, as_json: bool) -> None:
    """Cancel the remaining jobs; finished pictures are still printed."""
    for job in jobs:
        queue.cancel(job.id)
    for job in jobs:
        with suppress(KeyError):  # of many, those that had not begun are forgotten by now
            over = queue.wait(job.id, timeout=10)
            if over.state == "cancelled" and over.pictures:
                _report(destination.deliver(over), as_json)
    click.echo("sdtui: interrupted.", err=True)


def _settings_of(picture: Path, quiet: bool) -> dict[str, Any]:
    from sdtui.history.importers import read_picture_settings

    imported = read_picture_settings(picture)
    for reason in imported.not_carried if not quiet else ():
        click.echo(f"not taken from {picture.name}: {one_line(reason)}", err=True)
    if "model" not in imported.values and not quiet:
        click.echo(f"not taken from {picture.name}: it doesn't say what model made it", err=True)
    return imported.values
