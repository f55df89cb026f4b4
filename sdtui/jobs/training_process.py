"""A training in a process of its own: memory is freed for sure when it ends, and a crash costs
nothing else."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sdtui.core.text import one_line
from sdtui.requests.training.events import (
    END_KINDS,
    TrainingEvent,
    TrainingFailed,
    event_of_line,
)
from sdtui.training.folder import TrainingFolder

_END_SECONDS = 10.0


class TrainingProcess:
    """The process of a training, which is started at once."""

    def __init__(
        self, folder: TrainingFolder, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`environment` has variables besides those of this process. Raises OSError if it can't be
        started."""
        self._folder = folder
        self._errors = folder.path / "stderr.txt"
        folder.take_command()  # that of an earlier process
        with self._errors.open("wb") as errors:
            # A session of its own: Ctrl-C is for the command, which asks it to stop.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sdtui.training", str(folder.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._events: queue.SimpleQueue[TrainingEvent | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def next_event(self) -> TrainingEvent | None:
        """Return the next event, waiting for it; None once the process has ended. The last one says
        how it ended, also if it was killed."""
        event = self._events.get()
        if event is None:
            self._events.put(None)  # for the next call
        return event

    def send(self, command: str) -> None:
        """Send "pause" or "stop"; nothing happens if the process has ended. Raises
        TrainingError."""
        self._folder.send(command)

    def kill(self) -> None:
        """End the process at once; the training can be resumed."""
        self._process.kill()
        self._process.wait(_END_SECONDS)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        last = ""
        with self._process.stdout as lines:
            for line in lines:
                event = event_of_line(line)
                if event is not None:
                    last = event.kind
                    self._events.put(event)
        code = self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        if last not in END_KINDS:
            failed = TrainingFailed(error=self._death(code), error_type="TrainingError")
            self._folder.add_event(failed)
            self._events.put(failed)
        self._events.put(None)

    def _death(self, code: int) -> str:
        how = f"was killed by signal {-code}"
        if code >= 0:
            how = f"ended with code {code}{_last_line(self._errors)}"
        return f"The training's process {how}. `sdtui train resume` goes on with it."


def _last_line(file: Path) -> str:
    """Return the last line of a file behind a colon; "" if there is none."""
    try:
        lines = file.read_text("utf-8", "replace").split("\n")
    except OSError:
        return ""
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f": {one_line(last).rstrip('.')}" if last else ""
