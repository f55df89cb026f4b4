"""The log file: tracebacks, and the libraries' messages and warnings."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler

from sdtui.core import paths

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LARGEST = 2_000_000
"""Bytes; one older file is kept."""


class _LogFile(RotatingFileHandler):
    """Says nothing where it can't write: stderr may be the app's screen."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing."""


def log_to_file() -> None:
    """Send everything that is logged to the log file. Where it can't be written there is no log:
    that must not keep anyone from making pictures."""
    handler = _LogFile(
        paths.log_file(), maxBytes=_LARGEST, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)


def warn_on_stderr() -> None:
    """Send our own warnings and errors to stderr too, where systemd and containers look."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.getLogger("sdtui").addHandler(handler)
