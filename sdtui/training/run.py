"""A whole training: from pictures to a LoRA's file."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from sdtui.core import runtime
from sdtui.core.errors import OutputError, TrainingError
from sdtui.core.settings import Settings
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.training.events import (
    Notice,
    Preparing,
    ReportTraining,
    TrainingFailed,
)
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.class_pictures import read_pictures
from sdtui.training.control import TrainingControl
from sdtui.training.folder import lora_folder
from sdtui.training.out_of_memory import memory_errors
from sdtui.training.peers import GOES_ON, devices_for, together
from sdtui.training.preparation import (
    Preparation,
    load_trained_model,
)
from sdtui.training.processes import Processes
from sdtui.training.session import TrainingSession
from sdtui.training.steps import TrainingRun


def train(
    request: TrainingRequest,
    settings: Settings,
    folder: Path,
    report: ReportTraining,
    control: TrainingControl,
) -> Path:
    """Train a LoRA and return its file. `folder` is that of the training: states, latents and
    samples; a training that was interrupted goes on from there.

    With several processes this is the first, which starts the others. If one of them dies while
    this one waits for it, this process ends. Raises TrainingError, OutOfMemoryError, CancelledError
    if it was paused or stopped before there is anything to keep, OutputError, and the errors of
    loading a model.
    """

    def end(death: str) -> None:
        report(TrainingFailed(error=f"{death}. {GOES_ON}.", error_type=TrainingError.__name__))
        runtime.leave(1)

    devices = devices_for(request, settings.device)
    here = replace(settings, device=devices[0])
    try:
        for each in (folder, lora_folder(request, settings)):
            _check_writable(each)
        with together(request, folder, devices, end) as processes:
            return train_in(processes, request, here, folder, report, control)
    except OSError as error:
        problem = f"{error.filename or folder} can't be written: {error.strerror or error}"
        raise OutputError(problem, "Choose another folder, or make room on the disk") from error


def train_in(
    processes: Processes,
    request: TrainingRequest,
    settings: Settings,
    folder: Path,
    report: ReportTraining,
    control: TrainingControl,
) -> Path:
    """Do what one of the processes of a training does, see `train`. Only the first reports, obeys
    and writes."""
    dataset = read_pictures(request, folder)
    for notice in dataset.notices:
        report(Notice(text=notice))
    with StableDiffusionEngine(settings) as engine:
        with memory_errors("loading the model"):
            report(Preparing(what="model"))
            model = load_trained_model(engine, request)
        request = request.with_model_values(model.description.training)
        session = TrainingSession(request, engine, folder, report, control, processes)
        with memory_errors("preparing the pictures"):
            prepared = Preparation(session).prepare(dataset)
        with memory_errors("training"):
            return TrainingRun(session, prepared, lora_folder(request, settings)).finish()


def _check_writable(folder: Path) -> None:
    """Make a folder and a file in it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
