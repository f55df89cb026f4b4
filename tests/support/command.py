"""`sdtui COMMAND` in the test's process, where torch is imported once for all tests."""

from __future__ import annotations

import io
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from sdtui.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


class Command(Protocol):
    """Runs `sdtui` with arguments, and with a text on stdin."""

    def __call__(self, *arguments: str | Path, stdin: str = "") -> Done: ...


def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `sdtui`."""

    def run(*arguments: str | Path, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["sdtui", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfd.readouterr()
        with pytest.raises(SystemExit) as exited:
            main()
        logging.captureWarnings(False)
        code = exited.value.code
        assert isinstance(code, int)
        return Done(code, *capfd.readouterr())

    return run
