"""A process of sdtui that does a piece of work and reports events, a line of JSON each: its memory
is freed for sure when it ends, and a crash costs nothing else."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import IO, ClassVar, Generic, Protocol, TypeVar

from sdtui.core.text import one_line

_END_SECONDS = 10.0


class ProcessEvent(Protocol):
    """An event that a process reports."""

    @property
    def kind(self) -> str: ...


Event = TypeVar("Event", bound=ProcessEvent)


class EventProcess(Generic[Event]):
    """A process, which is started at once. Subclasses say what its lines mean."""

    end_kinds: ClassVar[Container[str]]
    """The kinds of the last event of a process that isn't killed."""

    def __init__(
        self,
        arguments: Sequence[str],
        errors: IO[bytes],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`arguments` are those behind `python -m`. `errors` is written, and read and closed at the
        end. `environment` has variables besides those of this process. Raises OSError if it can't
        be started."""
        self._errors = errors
        with ExitStack() as after_error:
            after_error.enter_context(errors)
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                env={**os.environ, **environment},
                start_new_session=True,  # Ctrl-C is for the command, which asks it to stop
            )
            after_error.pop_all()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def event_of_line(self, line: str) -> Event | None:
        """Return the event of a line; None if it is none."""
        raise NotImplementedError

    def death(self, how: str) -> Event:
        """Return the event of a process that ended without saying why; `how` is "was killed by
        signal 9", for example."""
        raise NotImplementedError

    def next_event(self) -> Event | None:
        """Return the next event, waiting for it; None once the process has ended. The last one says
        how it ended, also if it was killed."""
        event = self._events.get()
        if event is None:
            self._events.put(None)  # for the next call
        return event

    def write_line(self, line: str) -> None:
        """Write a line to its stdin; nothing happens if the process has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return

    def kill(self) -> None:
        """End the process at once."""
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
                event = self.event_of_line(line)
                if event is not None:
                    last = event.kind
                    self._events.put(event)
        code = self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        with self._errors:
            if last not in self.end_kinds:
                self._events.put(self.death(self._how(code)))
        self._events.put(None)

    def _how(self, code: int) -> str:
        if code < 0:
            return f"was killed by signal {-code}"
        return f"ended with code {code}{_last_line(self._errors)}"


def _last_line(file: IO[bytes]) -> str:
    """Return the last line of a file behind a colon; "" if there is none."""
    file.seek(0)
    lines = file.read().decode("utf-8", "replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f": {one_line(last).rstrip('.')}" if last else ""
