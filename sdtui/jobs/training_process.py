"""A training in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sdtui.jobs.event_process import EventProcess
from sdtui.requests.training.events import (
    END_KINDS,
    TrainingEvent,
    TrainingFailed,
    event_of_line,
)
from sdtui.training.folder import TrainingFolder


class TrainingProcess(EventProcess[TrainingEvent]):
    """The process of a training, which is started at once."""

    end_kinds = END_KINDS

    def __init__(
        self, folder: TrainingFolder, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`environment` has variables besides those of this process. Raises OSError if it can't be
        started."""
        self._folder = folder
        folder.take_command()  # that of an earlier process
        errors = (folder.path / "stderr.txt").open("w+b")
        super().__init__(["sdtui.training", str(folder.path)], errors, environment)

    def event_of_line(self, line: str) -> TrainingEvent | None:
        return event_of_line(line)

    def death(self, how: str) -> TrainingEvent:
        failed = TrainingFailed(
            error=f"The training's process {how}. Resume it to go on from its last checkpoint.",
            error_type="TrainingError",
        )
        self._folder.note(failed)
        return failed

    def send(self, command: str) -> None:
        """Send "pause" or "stop"; nothing happens if the process has ended. Raises
        TrainingError."""
        self._folder.send(command)
