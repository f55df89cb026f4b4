"""`sdtui train`: train a LoRA from pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.captions import caption, captions
from sdtui.cli.connect import connect_option, connected_settings
from sdtui.cli.options import FilePath, options_for, request_values
from sdtui.cli.output import echo_json, echo_path
from sdtui.core.text import one_line
from sdtui.requests.training.request import TRAINING_FIELDS
from sdtui.requests.training.status import TrainingCondition

if TYPE_CHECKING:
    from sdtui.cli.training_runs import TrainingRun
    from sdtui.jobs import Trainings
    from sdtui.requests.training.status import TrainingStatus

_OWN = ("instance_data_dir",)
"""Fields that are arguments."""
_LOOK_SECONDS = 0.2


@click.group()
def train() -> None:
    """Train a LoRA from your own pictures."""


train.add_command(caption)
train.add_command(captions)


@train.command()
@connect_option
@click.argument("folder", type=FilePath(), metavar="FOLDER")
@options_for(*(name for name in TRAINING_FIELDS if name not in _OWN), fields=TRAINING_FIELDS)
@click.option("--anew", is_flag=True, help="Begin anew, though one of this name isn't finished.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
def lora(folder: Path, anew: bool, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Train a LoRA from the pictures in FOLDER. Prints its path on stdout.

    Captions are in .txt files beside the pictures. Folders named 10_NAME are shown ten times an
    epoch. Ctrl-C ends it with what was learnt so far; `sdtui train resume` goes on.
    """
    from sdtui.requests.training.pictures import check_folder
    from sdtui.requests.training.request import TrainingRequest

    values = request_values(flags, TRAINING_FIELDS)
    values["instance_data_dir"] = folder.absolute()
    for name in ("class_data_dir", "output_dir"):
        if name in values:
            values[name] = Path(values[name]).absolute()
    request = TrainingRequest.parse(values)
    check_folder(folder)
    return _follow(
        request.output_name,
        lambda run: run.start(request, anew=anew),
        as_json=as_json,
        quiet=quiet,
    )


@train.command()
@connect_option
@click.argument("name")
@options_for("num_processes", fields=TRAINING_FIELDS)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
def resume(name: str, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Go on with a training that was paused, stopped or interrupted, or has failed."""
    processes = request_values(flags, TRAINING_FIELDS).get("num_processes")
    return _follow(name, lambda run: run.resume(processes), as_json=as_json, quiet=quiet)


@train.command()
@connect_option
@click.argument("name")
def pause(name: str) -> None:
    """Let a training write a checkpoint and end, so that its device is free."""
    _end(name, lambda trainings: trainings.pause(name))


@train.command()
@connect_option
@click.argument("name")
def stop(name: str) -> None:
    """End a training with the LoRA as it is."""
    _end(name, lambda trainings: trainings.stop(name))


@train.command()
@connect_option
@click.argument("name")
@click.argument("step", type=int)
def keep(name: str, step: int) -> None:
    """Make the checkpoint of a STEP the training's LoRA. Prints its path on stdout."""
    with _trainings() as trainings:
        echo_path(trainings.keep(name, step))


@train.command("list")
@connect_option
@click.option("--json", "as_json", is_flag=True, help="Print each training as a line of JSON.")
def list_trainings(as_json: bool) -> None:
    """List the trainings and how far they have come."""
    with _trainings() as trainings:
        for each in trainings.all():
            if as_json:
                echo_json(json.dumps(asdict(each)))
            else:
                click.echo(_line(each))


def _follow(
    name: str, begin: Callable[[TrainingRun], object], *, as_json: bool, quiet: bool
) -> int:
    """Begin a training and show what happens until it ends; return the exit code."""
    from sdtui.cli.backend import open_backend
    from sdtui.cli.training_runs import TrainingRun

    backend = open_backend(connected_settings())
    try:
        run = TrainingRun(backend, name)
        begin(run)
        return run.follow(as_json=as_json, quiet=quiet)
    finally:
        backend.close()


def _end(name: str, send: Callable[[Trainings], object]) -> None:
    """Let a training end, and print how far it has come."""
    with _trainings() as trainings:
        send(trainings)
        while (status := trainings.status(name)).condition is TrainingCondition.RUNNING:
            time.sleep(_LOOK_SECONDS)
        click.echo(_line(status))


@contextmanager
def _trainings() -> Iterator[Trainings]:
    from sdtui.cli.backend import open_backend

    backend = open_backend(connected_settings())
    try:
        yield backend.trainings
    finally:
        backend.close()


def _line(status: TrainingStatus) -> str:
    done = f"step {status.step} of {status.steps}" if status.steps else "not begun"
    parts = (status.name, done, status.condition, status.lora)
    return "  ".join(one_line(each) for each in parts if each)
