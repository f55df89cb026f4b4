"""A server in its own process with its own folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

_PATIENCE = 120.0
"""Seconds until it must be ready, even on a busy machine."""


@dataclass(frozen=True)
class ServerProcess:
    """A running server."""

    url: str
    process: psutil.Process
    log: Path
    """What it writes to stderr."""

    @property
    def resident(self) -> float:
        """Resident memory, in MiB."""
        return float(self.process.memory_info().rss) / 2**20


@contextmanager
def served(*arguments: str) -> Iterator[ServerProcess]:
    """Run `sdtui serve`; yields once its model is loaded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "SDTUI_PICTURES": f"{folder}/pictures"}
        environment |= {"XDG_STATE_HOME": f"{folder}/state", "XDG_CONFIG_HOME": f"{folder}/config"}
        log = folder / "stderr"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "sdtui", "serve", "--port", "0", *arguments],
                stderr=stderr,
                env=environment,
            )
        try:
            yield ServerProcess(_wait_until_ready(process, log), psutil.Process(process.pid), log)
        finally:
            process.terminate()
            assert process.wait(60) == 0, log.read_text()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"^sdtui serves (\S+)$", log.read_text(), re.MULTILINE):
            url = found[1]
            if httpx.get(f"{url}/readyz", timeout=_PATIENCE).status_code == 200:
                return url
        time.sleep(0.2)
    raise AssertionError(log.read_text())
