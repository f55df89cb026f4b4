"""stdout and stderr as commands write to them: in any encoding, closed, full, or without a reader.

Python's own streams raise UnicodeEncodeError, or write escapes; click's write UTF-8 where the
encoding is ASCII.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO

from sdtui.core.errors import OutputError
from sdtui.core.text import encodable, visible


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Raise OutputError in place of OSError, except BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"the output can't be written: {error.strerror}") from error


class _Output(io.TextIOWrapper):
    """A stream that replaces what its encoding lacks; bytes in file names are written as they
    are."""

    def __init__(self, stream: TextIO) -> None:
        self._encoding = codecs.lookup(stream.encoding).name
        super().__init__(
            stream.buffer,
            # click ignores streams of ASCII. Nothing beyond ASCII is written to it.
            encoding="latin-1" if self._encoding == "ascii" else self._encoding,
            errors="surrogateescape",
            line_buffering=stream.isatty(),
        )

    def write(self, text: str) -> int:
        with self._readable_errors():
            super().write(encodable(text, self._encoding))
        return len(text)

    def flush(self) -> None:
        with self._readable_errors():
            super().flush()

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        with _readable_errors():
            yield


class _ErrorOutput(_Output):
    """stderr: nowhere is left to report that it can't be written, and nothing fails for it."""

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        with suppress(OSError):
            yield


@contextmanager
def standard_streams() -> Iterator[None]:
    """Replace stdin, stdout and stderr by streams that can be used, whatever the process was
    started with."""
    before = sys.stdin, sys.stdout, sys.stderr
    with ExitStack() as files:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:  # closed: another file would get its number
                null = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115
                setattr(sys, name, files.enter_context(null))
        opened = [_Output(sys.stdout), _ErrorOutput(sys.stderr)]
        sys.stdout, sys.stderr = opened
        try:
            yield
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
            for stream in opened:
                _end(stream)


def _end(stream: _Output) -> None:
    """Give up a stream; what nobody could be given is dropped, and Python doesn't try again."""
    try:
        stream.flush()
    except (OSError, OutputError):
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    with suppress(OSError, OutputError):
        stream.detach()


def echo_json(text: str) -> None:
    """Print JSON. Letters that stdout can't encode are escaped, not replaced."""
    if not is_utf8(sys.stdout):
        text = "".join(each if each.isascii() else json.dumps(each)[1:-1] for each in text)
    _echo(text)


def echo_path(path: str) -> None:
    """Print a path on a line of its own. What isn't a terminal gets its very bytes, in any
    encoding."""
    if sys.stdout.isatty():
        path = visible(path, keep="")
    elif not is_utf8(sys.stdout):
        path = os.fsencode(path).decode("ascii", "surrogateescape")
    _echo(path)


def echo_bytes(data: bytes) -> None:
    """Write bytes to stdout. Raises OutputError or BrokenPipeError."""
    with _readable_errors():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _echo(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def is_utf8(stream: TextIO) -> bool:
    """True if a stream can be sent every character."""
    return codecs.lookup(stream.encoding).name == "utf-8"
