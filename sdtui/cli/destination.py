"""Where `sdtui generate` writes its pictures: `--out`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.cli.output import echo_bytes
from sdtui.core.errors import InvalidRequestError, OutputError, Problem
from sdtui.core.paths import is_folder, is_special
from sdtui.core.text import is_text
from sdtui.core.typed_paths import PathTextError, parse_plain_path

if TYPE_CHECKING:
    from sdtui.jobs import Job, Output
    from sdtui.requests.request import GenerationRequest

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_STDOUT = ("-", "/dev/stdout")


@dataclass(frozen=True)
class Destination:
    """The output of all jobs, and for pictures that don't become files, the stream."""

    output: Output
    stream: Path | None = None
    """A pipe or a device; None = files, or stdout."""
    is_stdout: bool = False

    @property
    def has_no_files(self) -> bool:
        """True if no picture stays as a file."""
        return self.is_stdout or self.stream is not None

    def deliver(self, job: Job) -> Job:
        """Write the finished pictures of a job into the stream, if there is one. Returns the job
        with the paths to print. Raises OutputError or BrokenPipeError."""
        if not self.has_no_files:
            return job
        for picture in job.pictures:
            self._copy(Path(picture))
        if self.is_stdout:
            return job.model_copy(update={"pictures": ()})
        where = str(self.stream)
        record = job.record
        if record is not None:
            images = [each.model_copy(update={"path": where}) for each in record.images]
            record = record.model_copy(update={"images": tuple(images)})
        pictures = (where,) * len(job.pictures)
        return job.model_copy(update={"pictures": pictures, "record": record})

    def _copy(self, picture: Path) -> None:
        if self.stream is None:
            echo_bytes(picture.read_bytes())
            return
        try:
            with picture.open("rb") as source, self.stream.open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise _unwritable(self.stream, error.strerror or str(error)) from error


@contextmanager
def open_destination(
    out: str | None, requests: Sequence[GenerationRequest], *, as_json: bool
) -> Iterator[Destination]:
    """Yield the destination for `--out`, whose folder exists then. `-` is stdout.

    Raises InvalidRequestError or OutputError, before anything is generated.
    """
    from sdtui.jobs import Output

    if out is None:
        yield Destination(Output())
        return
    path = _checked(out)
    is_stdout = out in _STDOUT
    if not is_stdout and not is_special(path):
        yield Destination(_output(out, path, requests))
        return
    if sum(each.num_images_per_prompt for each in requests) > 1:
        raise _wrong(out, "takes one picture; give a folder")
    if is_stdout and as_json:
        raise _wrong(out, "would mix the picture with the JSON on stdout; give a file")
    if is_stdout and sys.__stdout__ is None:
        raise _wrong(out, "can't be written: stdout is closed")
    if is_stdout and sys.stdout.isatty():
        raise _wrong(out, "would write the picture to the terminal; add > picture.png")
    if not is_stdout and not os.access(path, os.W_OK):
        raise _unwritable(path, "no permission to write")
    with tempfile.TemporaryDirectory(prefix="sdtui-") as folder:
        output = Output(folder=Path(folder), format=_FORMATS.get(path.suffix.lower(), "png"))
        yield Destination(output, None if is_stdout else path, is_stdout=is_stdout)


def _checked(out: str) -> Path:
    """Return the path; raises InvalidRequestError if nothing can have it."""
    if not out:
        raise _wrong(out, "must not be empty")
    try:
        path = parse_plain_path(out)
    except PathTextError as error:
        raise _wrong(out, str(error)) from error
    if not is_text(str(path.absolute())):
        raise _wrong(out, "is no valid text (UTF-8), which the picture's JSON needs")
    return path


def _output(out: str, path: Path, requests: Sequence[GenerationRequest]) -> Output:
    from sdtui.history import check_replaceable, numbered
    from sdtui.jobs import Output

    is_named_as_folder = os.path.basename(out) in ("", ".", "..")  # noqa: PTH119
    if is_named_as_folder or is_folder(path) or not path.suffix:
        _make_folder(path)
        return Output(folder=path)
    picture_format = _FORMATS.get(path.suffix.lower())
    if picture_format is None:
        ending = f'take .png, .jpg or .webp, or for a folder "{out}{os.sep}"'
        raise _wrong(out, f"ends like a file: {ending}")
    if len(requests) > 1:
        raise _wrong(out, "is one file, but there are many prompts; give a folder")
    _make_folder(path.parent)
    count = max((each.num_images_per_prompt for each in requests), default=1)
    for index in range(count):
        file = numbered(path, index, count)
        _check_name(file)
        check_replaceable(file)
    return Output(file=path, format=picture_format)


def _check_name(file: Path) -> None:
    """Raise OutputError if the system refuses a name, for its length, say."""
    try:
        file.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unwritable(file, error.strerror or str(error)) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _unwritable(folder, "there is a file of that name") from error
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(folder, "no permission to write")


def _wrong(out: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Problem("--out", out, message)])


def _unwritable(path: Path, problem: str) -> OutputError:
    return OutputError(f"{path} can't be written: {problem}", "Give another folder with --out")
