"""The process of a training: `python -m sdtui.training FOLDER`.

FOLDER has the request. Events go to stdout and into the folder, a line of JSON each. The commands
"pause" and "stop" come by a file in the folder, from any process. SIGINT and SIGTERM stop the
training as "stop" does: what it has learnt is kept. It pauses when stdin ends, since what started
it has ended.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from sdtui.core import runtime
from sdtui.core.errors import CancelledError, SdtuiError, TrainingError
from sdtui.core.locks import try_hold
from sdtui.core.settings import load_settings
from sdtui.engine.library_setup import quiet_libraries
from sdtui.requests.training.events import (
    Paused,
    TrainingEvent,
    TrainingFailed,
    TrainingFinished,
    event_line,
)
from sdtui.training.control import TrainingControl
from sdtui.training.folder import TrainingFolder
from sdtui.training.run import train

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
"""Between two looks for a command."""


def main(place: Path) -> int:
    """Train; return the exit code: 0 with a LoRA, 1 after an error, 130 if it was
    paused or nothing was learnt."""
    folder = TrainingFolder(place)
    if try_hold(folder.lock_file) is None:
        sys.stdout.write(event_line(_already_running(place)))
        return 1
    logging.basicConfig(level=logging.INFO, filename=folder.log_file)
    logging.captureWarnings(capture=True)
    quiet_libraries()
    control = TrainingControl()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: control.stop())
    for target, argument in ((_obey, folder), (_pause_at_end, sys.stdin)):
        threading.Thread(target=target, args=(control, argument), daemon=True).start()
    with folder.events_file.open("a", encoding="utf-8") as events:
        out: list[IO[str]] = [events, sys.stdout]

        def report(event: TrainingEvent) -> None:
            line = event_line(event)
            for each in out:
                with suppress(OSError):  # the parent has ended or the disk is full: it goes on
                    each.write(line)
                    each.flush()

        try:
            train(folder.request(), load_settings(), place, report, control)
        except CancelledError:
            step = folder.state().step
            report(
                Paused(step=step)
                if control.is_paused
                else TrainingFinished(step=step, path="", seconds=0.0, is_stopped=True)
            )
            return 130
        except SdtuiError as error:
            _log.error("the training failed", exc_info=error)
            report(TrainingFailed(error=str(error), error_type=type(error).__name__))
            return 1
    if folder.state().lora:  # else it may go on
        folder.clean()
    return 0


def _already_running(place: Path) -> TrainingFailed:
    error = TrainingError(
        f"the training {place.name} is running already", "Wait until it has ended"
    )
    return TrainingFailed(error=str(error), error_type=type(error).__name__)


def _obey(control: TrainingControl, folder: TrainingFolder) -> None:
    """Carry out commands as they come."""
    actions = {"pause": control.pause, "stop": control.stop}
    while True:
        action = actions.get(folder.take_command())
        if action is not None:
            action()
        time.sleep(_LOOK_SECONDS)


def _pause_at_end(control: TrainingControl, commands: IO[str]) -> None:
    """Pause when there is no more to read."""
    commands.read()
    control.pause()


if __name__ == "__main__":
    runtime.leave(main(Path(sys.argv[1])))
