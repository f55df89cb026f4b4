"""`python -m tests.gpu` may be stopped at any time, and its rows are compared with earlier ones."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gpu.__main__ import Run
from tests.gpu.rows import Reading, Report, Row, Status, table


@pytest.mark.slow
def test_stopped_run_prints_and_keeps_the_rows_that_are_finished(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    command = [sys.executable, "-m", "tests.gpu", "--dry", "--json", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        run.stdout.readline()
        whole_already = Report.read(file).rows
        run.send_signal(signal.SIGTERM)
        rest = run.stdout.read()
    first, *_, last = Report.read(file).rows
    assert whole_already[0] == first
    assert (first.status, last.status) == (Status.PASSED, Status.NOT_REACHED)
    assert f"| {first.group}: {first.name} |" in rest


_WORKER = """#!/bin/sh
case "$*" in
*"--first 0"*)
    echo '{"checks": [["memory", "a"], ["memory", "b"]], "machine": {}, "accelerated": true}'
    echo '{"begin": 0}'
    exit 3
esac
echo "CUDA error: unknown error" >&2
exit 1
"""


def test_check_that_ends_its_process_and_one_that_cannot_begin_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(_WORKER)
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    report = Report(tmp_path / "rows.json")
    Run(report, tmp_path, dry=True).run()
    details = [(row.name, row.status, row.detail) for row in Report.read(report.path).rows]
    assert details == [
        ("a", "FAILED", "the process ended with 3: "),
        ("b", "FAILED", "the process ended with 1: CUDA error: unknown error"),
    ]


@pytest.mark.parametrize(
    ("value", "status"), [(0.5, "passed"), (1.0, "passed"), (1.1, "FAILED"), (None, "FAILED")]
)
def test_value_above_the_bar_or_missing_fails(value: float | None, status: str) -> None:
    assert Reading(value, most=1.0).status == status


def test_earlier_values_stand_beside_the_new_ones(tmp_path: Path) -> None:
    before, now = Report(tmp_path / "old.json"), Report(tmp_path / "new.json")
    before.add(Row("it/s", "sd1", Status.MEASURED, 20.0, "it/s"))
    now.add(Row("it/s", "sd1", Status.MEASURED, 25.0, "it/s"))
    now.add(Row("it/s", "sdxl", Status.MEASURED, 5.0, "it/s"))
    lines = table(Report.read(now.path), Report.read(before.path)).splitlines()
    assert "| it/s: sd1 | 25 it/s | 20 | 1.250 |  | measured |  |" in lines
    assert "| it/s: sdxl | 5 it/s |  |  |  | measured |  |" in lines
