"""The errors that users see. Each says in one line what is wrong and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SdtuiError(Exception):
    """Base of every error that sdtui raises on purpose.

    `what` says what is wrong, `hint` what the user can do about it. `exit_code` is that of a
    command: 1 for a failure, 2 for wrong input.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Constructors take other arguments than BaseException keeps, which pickle would use.
        return _restored, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return " ".join(_sentence(part) for part in (self.what, self.hint) if part)


def _restored(
    kind: type[SdtuiError], args: tuple[object, ...], attributes: dict[str, object]
) -> SdtuiError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


@dataclass(frozen=True)
class Problem:
    """A wrong value: the field, the value, and the limit it breaks."""

    field: str
    value: object
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidRequestError(SdtuiError):
    """A request with wrong values, listed in `problems`."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class SettingsError(SdtuiError):
    """The config file or an environment variable has a wrong value."""

    exit_code = 2


class ModelError(SdtuiError):
    """A model can't be found, read or used."""


class ModelNotFoundError(ModelError):
    """No model of that name, or no file or folder at that path."""


class ModelDamagedError(ModelError):
    """The files of a model are incomplete or damaged."""


class UnsafeModelError(ModelError):
    """A model whose files could run code when loaded."""


class UnsupportedModelError(ModelError):
    """A model that sdtui can't run, or that doesn't support what the request needs."""


class DownloadError(ModelError):
    """A model could not be downloaded from the hub."""


class ImageError(SdtuiError):
    """An init image that can't be read or used."""


class OutputError(SdtuiError):
    """A picture or record can't be written."""


class HistoryError(SdtuiError):
    """The history hasn't got a picture, or can't be read or changed."""


class QueueFullError(SdtuiError):
    """The queue has as many waiting jobs as its limit allows."""


class LimitReachedError(QueueFullError):
    """Who asks has as much waiting work, or has asked as often, as is allowed."""

    def __init__(self, what: str, hint: str = "", *, seconds: float | None = None) -> None:
        """`seconds` is when to ask again; None if it depends on other work."""
        super().__init__(what, hint)
        self.seconds = seconds


class ForbiddenError(SdtuiError):
    """Who asks may not do this."""


class QueueClosedError(SdtuiError):
    """The queue is closed and accepts no jobs."""


class ConnectionLostError(SdtuiError):
    """A backend in another process can't be reached, or refuses this client."""


class TrainingError(SdtuiError):
    """A training can't begin or go on: its pictures, checkpoint or settings can't be used."""


class TrainingNotFoundError(TrainingError):
    """No training of that name, or it has no checkpoint of that step."""


class TrainingConflictError(TrainingError):
    """A training whose condition doesn't allow what was asked for, as to resume it while it
    runs."""


class BenchError(SdtuiError):
    """A benchmark that can't be run, read or compared."""


class DeviceLostError(SdtuiError):
    """The device computes no more in this process. Only a new process can use it again."""


class WorkerLostError(SdtuiError):
    """A worker's process has ended, hangs, or can't use its device any more. Another takes its
    place."""

    is_failure = True
    """False if the worker was taken away on purpose."""


class WorkerLeftError(WorkerLostError):
    """A worker's machine takes no more work. What its job still needs is made elsewhere."""

    is_failure = False


class GenerationError(SdtuiError):
    """A stage of a run failed; `stage` is its name."""

    def __init__(self, what: str, hint: str = "", *, stage: str) -> None:
        super().__init__(what, hint)
        self.stage = stage


class OutOfMemoryError(GenerationError):
    """A stage ran out of memory.

    Raised outside the handler of the original error, whose traceback would keep tensors alive;
    only its text is kept.
    """


class BrokenPictureError(GenerationError):
    """The latents or the picture contain NaN, or every pixel is black."""


class CancelledError(SdtuiError):
    """The run was cancelled, which is not a failure."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("cancelled")
