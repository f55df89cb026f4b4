"""What `sdtui doctor --connect` says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sdtui import __version__
from sdtui.cli.doctor_elsewhere import examine
from tests.support.fakes import SAMPLE


def _health(**changes: Any) -> dict[str, Any]:
    health = {"version": __version__, "uptime": 61.0, "model": None, "queue_length": 2}
    return {**health, "problem": None, **changes}


def test_server_without_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert examine("http://gpu1", _health, lambda: SAMPLE, as_json=False) == 0
    printed = capsys.readouterr().out
    assert "http://gpu1" in printed
    assert "no problems" in printed
    assert "2 queued" in printed


def test_other_version_and_its_own_problem_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    health = _health(version="9.9", problem="no room on the disk")
    assert examine("http://gpu1", lambda: health, lambda: SAMPLE, as_json=True) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert problems[0] == "no room on the disk"
    assert "9.9" in problems[1]
