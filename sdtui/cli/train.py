"""`sdtui train`: train a LoRA from pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.captions import caption, captions
from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.options import FilePath, options_for, request_values
from sdtui.cli.output import echo_json, echo_path
from sdtui.core.text import one_line
from sdtui.requests.training.request import TRAINING_FIELDS

if TYPE_CHECKING:
    from sdtui.training.folder import TrainingFolder

_OWN = ("instance_data_dir",)
"""Fields that are arguments."""


@click.group()
def train() -> None:
    """Train a LoRA from your own pictures."""


train.add_command(caption)
train.add_command(captions)


@train.command()
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
    from sdtui.training.folder import begin_training

    values = request_values(flags, TRAINING_FIELDS)
    values["instance_data_dir"] = folder.absolute()
    for name in ("class_data_dir", "output_dir"):
        if name in values:
            values[name] = Path(values[name]).absolute()
    request = TrainingRequest.parse(values)
    check_folder(folder)
    return _run(begin_training(request, anew=anew), as_json=as_json, quiet=quiet)


@train.command()
@click.argument("name")
@options_for("num_processes", fields=TRAINING_FIELDS)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
def resume(name: str, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Go on with a training that was interrupted."""
    from sdtui.training.folder import find_training

    folder = find_training(name)
    if changed := request_values(flags, TRAINING_FIELDS):
        folder.use_processes(changed["num_processes"])
    return _run(folder, as_json=as_json, quiet=quiet)


@train.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print each training as a line of JSON.")
def list_trainings(as_json: bool) -> None:
    """List the trainings and how far they have come."""
    from sdtui.training.folder import all_trainings

    for each in all_trainings():
        state = each.state()
        if as_json:
            echo_json(json.dumps(vars(state)))
            continue
        done = f"step {state.step} of {state.steps}" if state.steps else "not begun"
        condition = "running" if state.is_running else state.lora or "interrupted"
        click.echo(f"{state.name}  {done}  {condition}")


def _run(folder: TrainingFolder, *, as_json: bool, quiet: bool) -> int:
    """Run the training in a folder; return the exit code."""
    from sdtui.cli.progress_output import ProgressOutput
    from sdtui.cli.training_output import TrainingOutput
    from sdtui.jobs.training_process import TrainingProcess

    process = TrainingProcess(folder)
    code = INTERRUPTED  # unless it ends otherwise
    with ProgressOutput(quiet=quiet, bar=sys.stderr.isatty()) as progress_output:
        output = TrainingOutput(progress_output)
        while True:
            try:
                event = process.next_event()
            except KeyboardInterrupt:
                process.send("stop")
                continue
            if event is None:
                return code
            if as_json:
                echo_json(event.model_dump_json())
            output.put(event)
            if event.kind == "failed":
                click.echo(f"sdtui: {one_line(event.error)}", err=True)
                code = 1
            elif event.kind == "finished":
                code = INTERRUPTED if event.is_stopped else 0
                if not as_json:
                    echo_path(event.path)
