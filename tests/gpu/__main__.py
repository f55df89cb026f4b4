"""Check the engine on this machine's accelerator, in five minutes at most.

    python -m tests.gpu [--json FILE] [--compare OLD.json]
    python -m tests.gpu --dry      the same rows with tiny models on the CPU
    python -m tests.gpu --needs    packages beside torch, transformers and accelerate

Prints a table and writes its rows to a JSON file, which is whole at any time. Exits with 1 if a row
failed, with 2 if there is no accelerator or a library is missing or too old.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.gpu.needs import environment, has_pydantic, needed, too_old
from tests.gpu.rows import Report, Row, Status, table

LIMIT = 290
"""Seconds of a whole run: five minutes with the start and the end."""
DRY_LIMIT = 170


def main() -> None:
    """Run the checks and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="the file of the rows")
    parser.add_argument("--compare", type=Path, help="an earlier file, to stand beside the values")
    parser.add_argument("--dry", action="store_true", help="tiny models on the CPU")
    parser.add_argument("--needs", action="store_true", help="list the packages that are needed")
    options = parser.parse_args()
    if options.needs:
        sys.stdout.write("\n".join(needed()) + "\n")
        return
    if problem := too_old():
        _refuse(problem)
    before = Report.read(options.compare) if options.compare else None
    report = Report(options.json)
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="sdtui-gpu-") as folder:
        try:
            Run(report, Path(folder), options.dry).run()
        except KeyboardInterrupt:
            sys.stdout.write("stopped\n")
    sys.stdout.write(table(report, before) + "\n")
    sys.exit(1 if report.failed else 0)


def _refuse(problem: str) -> NoReturn:
    sys.stderr.write(f"{problem}\n")
    sys.exit(2)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@dataclass
class Run:
    """Runs workers until every check has a row or the time is over."""

    report: Report
    folder: Path
    dry: bool
    names: list[tuple[str, str]] = field(default_factory=list)

    def run(self) -> None:
        """Add the rows to the report; those that weren't reached as such, whatever happens."""
        deadline = time.monotonic() + (DRY_LIMIT if self.dry else LIMIT)
        try:
            while not self.names or len(self.report.rows) < len(self.names):
                if not self._run_worker(deadline):
                    break
        finally:
            for group, name in self.names[len(self.report.rows) :]:
                self.report.rows.append(Row(group, name, Status.NOT_REACHED))
            self.report.write()

    def _run_worker(self, deadline: float) -> bool:
        """Run one worker; returns True if another one should go on with what is left."""
        command = [sys.executable, "-m", "tests.gpu.worker", str(self.folder)]
        command += ["--first", str(len(self.report.rows)), *(["--dry"] if self.dry else [])]
        pipe, variables = subprocess.PIPE, environment(pydantic=has_pydantic())
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=variables
            ) as worker,
        ):
            assert worker.stdout is not None
            begun = None
            try:
                for message in _messages(worker.stdout, deadline):
                    begun = message.get("begin", begun)
                    self._take(message)
            except BaseException:
                worker.kill()
                raise
            if time.monotonic() >= deadline:
                worker.kill()
                return False
            code = worker.wait()
            if begun in (None, len(self.report.rows)):
                self._add_crash(code, errors)
        return True

    def _take(self, message: dict[str, Any]) -> None:
        if "checks" in message:
            self.names = [(group, name) for group, name in message["checks"]]
            self.report.machine = message["machine"]
            if not message["accelerated"] and not self.dry:
                _refuse("There is no accelerator that torch can use here: try --dry.")
        if "row" in message:
            row = Row.parse(message["row"])
            self.report.add(row)
            sys.stdout.write(f"{row.group}: {row.name}: {row.status} {row.detail}\n")
            sys.stdout.flush()

    def _add_crash(self, code: int, errors: IO[str]) -> None:
        """Add the row of the check that ended the worker, or that it couldn't begin."""
        errors.seek(0)
        last = (errors.read().strip().splitlines() or [""])[-1]
        detail = f"the process ended with {code}: {last}"[:300]
        if not self.names:
            sys.exit(detail)
        group, name = self.names[len(self.report.rows)]
        self.report.add(Row(group, name, Status.FAILED, detail=detail))


def _messages(lines: IO[str], deadline: float) -> Iterator[dict[str, Any]]:
    """Yield a worker's messages until it ends or the time is over."""
    waiting: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in lines:
            waiting.put(line)
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = waiting.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        if line is None:
            return
        yield json.loads(line)


if __name__ == "__main__":
    main()
