"""The log file: tracebacks, and the libraries' messages and warnings."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from sdtui.core import paths

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LARGEST = 2_000_000
"""Bytes; one older file is kept."""


class _LogFile(RotatingFileHandler):
    """A log file that ignores write errors: stderr may be the app's screen."""

    def _open(self) -> TextIOWrapper:
        """Open the file, which only its owner may read."""
        os.close(os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT, 0o600))
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore the error."""


def log_to_file(file: Path | None = None) -> None:
    """Send all log messages to a file, by default the log file. If it isn't writable there is no
    log, but everything else works."""
    handler = _LogFile(
        file or paths.log_file(),
        maxBytes=_LARGEST,
        backupCount=1,
        encoding="utf-8",
        delay=True,
        errors="backslashreplace",  # names of files may be no valid text
    )
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    logging.getLogger("mcp").setLevel(logging.WARNING)  # it has lines for each request


def warn_on_stderr() -> None:
    """Send sdtui's own warnings and errors to stderr too, for systemd and containers."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.getLogger("sdtui").addHandler(handler)
