"""The protocol of a backend's trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sdtui.requests.training.request import TrainingRequest
    from sdtui.requests.training.status import TrainingCurve, TrainingStatus


class Trainings(Protocol):
    """The trainings of a user on a machine, and those of them that a queue carries out. What
    happens is reported by the events `training` and `training_step` of `Jobs.subscribe`, with the
    id of the task.

    Every method raises TrainingNotFoundError for a name that is unknown, and TrainingError if its
    folder can't be read or written.
    """

    def all(self) -> list[TrainingStatus]:
        """Return all trainings in the order of their names."""
        ...

    def status(self, name: str) -> TrainingStatus:
        """Return how far a training has come."""
        ...

    def curve(self, name: str, points: int = 400) -> TrainingCurve:
        """Return the loss over the steps, in at most `points` points."""
        ...

    def start(self, request: TrainingRequest, *, anew: bool = False) -> str:
        """Queue a new training; return the id of its task. Raises TrainingConflictError if one of
        its name is queued or running or, unless `anew`, unfinished; TrainingError if its pictures
        can't be read; and QueueClosedError."""
        ...

    def resume(self, name: str) -> str:
        """Queue a training that was paused, stopped or interrupted or has failed; return the id of
        its task. Raises TrainingConflictError if it is queued, running or finished; and
        QueueClosedError."""
        ...

    def pause(self, name: str) -> None:
        """Let a queued or running training wait until `resume`: it writes a checkpoint and its
        device is free. Doesn't wait for that. Raises TrainingConflictError if it is neither."""
        ...

    def stop(self, name: str) -> None:
        """End an unfinished training with the LoRA as it is. Doesn't wait for that. Raises
        TrainingConflictError if it has ended already."""
        ...

    def keep(self, name: str, step: int) -> str:
        """Make the checkpoint of a step the training's LoRA; return its path. Raises
        TrainingNotFoundError if there is no such checkpoint, and TrainingConflictError if the
        training is queued or running."""
        ...

    def delete(self, name: str) -> None:
        """Delete the folder of a training; its LoRAs and samples stay. Raises
        TrainingConflictError if it is queued or running."""
        ...

    def continue_interrupted(self) -> list[str]:
        """Queue the trainings that were queued or running in this queue when its last process
        ended; return their names. From now on, this process leaves its own to the next one."""
        ...
