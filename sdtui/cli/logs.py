"""The log file: tracebacks, and the libraries' messages and warnings."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from enum import StrEnum
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


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"

    def formatter(self) -> logging.Formatter:
        """Return the formatter of the standard library's logging."""
        return _JsonFormatter() if self is LogFormat.JSON else logging.Formatter(_FORMAT)


class _JsonFormatter(logging.Formatter):
    """An object a line: time (UTC), level, logger, message, the `fields` that the record was given,
    and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, in ASCII."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": time,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def log_to_file(file: Path | None = None, log_format: LogFormat = LogFormat.TEXT) -> None:
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
    handler.setFormatter(log_format.formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    logging.getLogger("mcp").setLevel(logging.WARNING)  # it has lines for each request


def log_to_stderr(log_format: LogFormat = LogFormat.TEXT) -> None:
    """Send sdtui's own warnings and errors to stderr too, and what the server says of its work, for
    systemd and containers."""
    handler = logging.StreamHandler()
    handler.addFilter(_is_for_operators)
    handler.setFormatter(log_format.formatter())
    logging.getLogger("sdtui").addHandler(handler)


def _is_for_operators(record: logging.LogRecord) -> bool:
    is_servers = record.name.startswith(("sdtui.server.", "sdtui.cli.server_start"))
    return record.levelno >= logging.WARNING or is_servers
