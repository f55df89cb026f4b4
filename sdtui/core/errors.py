"""The errors that people see. Each says what is wrong and how to mend it, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SdtuiError(Exception):
    """Base of every error that sdtui raises on purpose.

    `what` says what is wrong, `hint` what the person can do about it. `exit_code` is what a
    command ends with: 1 for something that failed, 2 for something that was asked wrongly.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return " ".join(_sentence(part) for part in (self.what, self.hint) if part)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


@dataclass(frozen=True)
class Problem:
    """One wrong value: the field, what was given, and the limit that it breaks."""

    field: str
    value: object
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidRequestError(SdtuiError):
    """A request with wrong values; `problems` names each field, its value and its limit."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class SettingsError(SdtuiError):
    """The config file or an environment variable holds something that can't be used."""

    exit_code = 2


class ModelError(SdtuiError):
    """A model can't be found, read or used."""


class ModelNotFoundError(ModelError):
    """No model of that name, or no file or folder at that path."""


class ModelDamagedError(ModelError):
    """The files of a model are there but incomplete or cut short."""


class UnsafeModelError(ModelError):
    """A model whose files could run code when they are loaded."""


class UnsupportedModelError(ModelError):
    """A model of a kind that sdtui can't run, or that can't do what was asked of it."""


class DownloadError(ModelError):
    """A model could not be fetched from the hub."""


class ImageError(SdtuiError):
    """An init image that can't be read or used."""


class OutputError(SdtuiError):
    """A picture or record can't be written."""


class HistoryError(SdtuiError):
    """The history doesn't hold what was asked for, or can't do it; `exit_code` is 1."""


class QueueFullError(SdtuiError):
    """As many jobs wait as the queue may hold; later there is room again."""


class QueueClosedError(SdtuiError):
    """The queue takes no more jobs."""


class BenchError(SdtuiError):
    """A benchmark that can't be made, read or compared."""


class GenerationError(SdtuiError):
    """A stage of a run failed; `stage` says which one."""

    def __init__(self, what: str, hint: str = "", *, stage: str) -> None:
        super().__init__(what, hint)
        self.stage = stage


class OutOfMemoryError(GenerationError):
    """A stage ran out of memory. Raised outside the handler of the original error, whose
    traceback would keep the tensors alive; the original is kept as text only."""


class BrokenPictureError(GenerationError):
    """The latents or the picture hold NaN, or every pixel is black."""


class CancelledError(SdtuiError):
    """A person or program asked the run to stop. Not a failure."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("cancelled")
