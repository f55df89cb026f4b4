"""Another process of a training, started by the first: `python -m sdtui.training.peer`.

Its task is a line of JSON on stdin, and it ends when stdin does. It writes no files; an error is an
event on stdout.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import IO

import torch

from sdtui.core import runtime
from sdtui.core.errors import SdtuiError
from sdtui.core.settings import load_settings
from sdtui.engine.library_setup import quiet_libraries
from sdtui.requests.training.events import TrainingFailed, event_line
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.control import TrainingControl
from sdtui.training.processes import join
from sdtui.training.run import train_in

_log = logging.getLogger(__name__)


def main(lines: IO[str]) -> int:
    """Train with the others; return the exit code."""
    task = json.loads(lines.readline())
    threading.Thread(target=_end_with, args=(lines,), daemon=True).start()
    logging.captureWarnings(capture=True)
    quiet_libraries()
    device = task["device"]
    settings = replace(load_settings(), device=device)
    processes = join(task["number"], task["count"], torch.device(device), Path(task["rendezvous"]))
    try:
        request = TrainingRequest.parse(task["request"])
        folder = Path(task["folder"])
        train_in(processes, request, settings, folder, lambda _: None, TrainingControl())
        processes.leave()
    except SdtuiError as error:
        sys.stdout.write(
            event_line(TrainingFailed(error=str(error), error_type=type(error).__name__))
        )
        return 1
    return 0


def _end_with(lines: IO[str]) -> None:
    """End this process when there are no more lines."""
    lines.read()
    runtime.leave(1)


if __name__ == "__main__":
    runtime.leave(main(sys.stdin))
