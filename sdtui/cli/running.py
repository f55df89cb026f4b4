"""Running the jobs of a command: progress on stderr, paths or records on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.destination import Destination
from sdtui.cli.options import FilePath, complete_presets
from sdtui.cli.output import echo_json, echo_path
from sdtui.core.enums import POCKET
from sdtui.core.errors import DeviceLostError, OutputError
from sdtui.core.places import HERE
from sdtui.core.text import one_line

if TYPE_CHECKING:
    from sdtui.cli.fetched import FetchedDestination
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend, Job, Jobs, Models, Output
    from sdtui.requests.events import Failed, JobEvent

_HINT_UNSAVED = "Make room or give another folder with --out, and generate it again"
_NAMING_LORAS = ("prompt", "loras", "prompt_syntax", "hires_prompt")
"""The fields that name LoRAs, or say how they are named."""
_Command = TypeVar("_Command", bound=Callable[..., Any])


def source_options(command: _Command) -> _Command:
    """Add the flags for what a request starts from."""
    like = click.option(
        "--like",
        type=FilePath(),
        metavar="PICTURE",
        help="Take all settings from a picture of ours or of another tool; flags override them.",
    )
    preset = click.option(
        "--preset",
        "preset_name",
        metavar="NAME",
        shell_complete=complete_presets,
        help="Take the values of a preset that the app saved; flags override them.",
    )
    return like(preset(command))


def output_options(command: _Command) -> _Command:
    """Add the flags for what a command writes."""
    out = click.option(
        "--out",
        "-o",
        metavar="PATH",
        help="A folder, or a file name ending in .png, .jpg or .webp. - = stdout. "
        "[the pictures folder]",
    )
    as_json = click.option(
        "--json", "as_json", is_flag=True, help="Print each record as a line of JSON."
    )
    quiet = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
    return out(as_json(quiet(command)))


def shared_values(
    settings: Settings,
    like: Path | None,
    preset_name: str | None,
    *,
    quiet: bool,
    as_written: bool = False,
) -> dict[str, Any]:
    """Return the values that flags override: those of the settings, of a picture, of a preset. With
    `as_written`, the picture's prompts are the templates that they were made of."""
    values = settings.request_defaults()
    if settings.connect != HERE and settings.model == POCKET:  # no other is configured
        from sdtui.cli.backend import open_models

        values["model"] = open_models(settings).default
    if like is not None:
        values |= _settings_of(like, settings, quiet, as_written)
    if preset_name is not None:
        from sdtui.requests.presets import preset

        values |= preset(preset_name)
    return values


def run_jobs(
    settings: Settings,
    submit: Callable[[Jobs, Output], list[Job]],
    destination: Destination,
    *,
    as_json: bool,
    quiet: bool,
    conclude: Callable[[Backend, Destination | FetchedDestination], None] = lambda *_: None,
) -> tuple[int, bool]:
    """Run the jobs that `submit` queues with an output, in turn; return the worst exit code, and
    True if the process can end as usual: the worker has ended, and its device isn't lost.
    `conclude` is called when all are over or cancelled."""
    from sdtui.cli.backend import open_backend
    from sdtui.cli.fetched import FetchedDestination
    from sdtui.cli.progress_output import OwnEvents, ProgressOutput

    backend = open_backend(settings)
    queue = backend.jobs
    delivering: Destination | FetchedDestination = destination
    if backend.connection is not None and not backend.connection.shares_files:
        delivering = FetchedDestination(destination, backend.pictures)
    silent = {"saved"} if destination.has_no_files else set()
    with ProgressOutput(quiet=quiet, bar=sys.stderr.isatty(), silent=silent) as progress_output:
        own = OwnEvents(progress_output.put)
        queue.subscribe(own.put)
        failures: dict[str, Failed] = {}
        queue.subscribe(lambda each: _keep_failure(failures, each))
        jobs = submit(queue, delivering.output)
        own.know(jobs)
        code, is_lost = 0, False
        try:
            for job in jobs:
                over = delivering.deliver(queue.wait(job.id))
                code = max(code, _report(over, as_json, failures.get(job.id)))
                is_lost = over.error_type == DeviceLostError.__name__
                if is_lost:
                    break
        except KeyboardInterrupt:
            code = INTERRUPTED
            _interrupt(queue, jobs, delivering, as_json)
        if not is_lost:
            conclude(backend, delivering)
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


def _interrupt(
    queue: Jobs, jobs: list[Job], destination: Destination | FetchedDestination, as_json: bool
) -> None:
    """Cancel the remaining jobs; finished pictures are still printed."""
    for job in jobs:
        queue.cancel(job.id)
    for job in jobs:
        with suppress(KeyError):  # of many, those that had not begun are forgotten by now
            over = queue.wait(job.id, timeout=10)
            if over.state == "cancelled" and over.pictures:
                _report(destination.deliver(over), as_json)
    click.echo("sdtui: interrupted.", err=True)


def _settings_of(
    picture: Path, settings: Settings, quiet: bool, as_written: bool
) -> dict[str, Any]:
    from sdtui.cli.backend import open_models
    from sdtui.history.importers import read_picture_settings, with_local_files

    models = open_models(settings)
    imported = read_picture_settings(picture)
    values = {**imported.exact_values, **(imported.templates if as_written else {})}
    values, missing = _with_local_loras(values, imported.lora_hashes, models)
    values, also_missing = with_local_files(values, models)
    for reason in (*imported.not_carried, *missing, *also_missing) if not quiet else ():
        click.echo(f"not taken from {picture.name}: {one_line(reason)}", err=True)
    if "model" not in imported.values and not quiet:
        click.echo(f"not taken from {picture.name}: it doesn't say what model made it", err=True)
    return values


def _with_local_loras(
    values: dict[str, Any], hashes: Mapping[str, str], models: Models
) -> tuple[dict[str, Any], list[str]]:
    """Return a picture's values with the names that its LoRAs have where pictures are made, and
    what is missing there."""
    from sdtui.requests.request import GenerationRequest

    given = {name: values[name] for name in _NAMING_LORAS if name in values}
    request = GenerationRequest.parse(
        {"prompt": "", **given, "hires_scale": 2}, prompt_needed=False
    )
    local, missing = models.with_local_loras(request, hashes, allow_files=True)
    found = local.values()
    return {**values, **{name: found[name] for name in given}}, missing
