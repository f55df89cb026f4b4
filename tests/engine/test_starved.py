"""Real out-of-memory: torch's allocator fails under an address-space limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sdtui.requests.record import GenerationRecord, Stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS"),
]


def _starve(model: Path, *megabytes: int, **values: object) -> GenerationRecord:
    """Return the record of the last run: the first with one of the limits that recovered."""
    arguments = (str(model), json.dumps(values), *map(str, megabytes))
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.starved", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return GenerationRecord.model_validate_json(done.stdout.splitlines()[-1])


_LARGE = {"width": 1024, "height": 512, "policy": "strict"}


def test_decode_recovers_with_tiling(tiny_sd1: Path) -> None:
    # The exact limit depends on the machine.
    record = _starve(tiny_sd1, 80, 70, 90, 60, 100, **_LARGE)
    assert record.success
    assert len(record.attempts) > 1
    assert record.attempts[0].stage is Stage.DECODE
    assert record.attempts[0].error is not None
    messages = ("DefaultCPUAllocator", "could not create a primitive")  # torch's words or oneDNN's
    assert any(words in record.attempts[0].error for words in messages)
    assert record.attempts[-1].rung == "VAE tiling"
    assert record.settings is not None
    assert record.settings.width == 1024


def test_unrecoverable_failure_lists_its_attempts(tiny_sd1: Path) -> None:
    record = _starve(tiny_sd1, 10, **_LARGE)
    assert not record.success
    assert record.error is not None
    assert "memory ran out in the denoise stage" in record.error
    assert len(record.attempts) == 2


def test_second_pass_recovers_and_keeps_the_first(tiny_sd1: Path) -> None:
    values = {"hires_scale": 8, "hires_upscaler": "Lanczos", "width": 128, "height": 64}
    record = _starve(tiny_sd1, 130, 120, 140, 110, 150, 100, **values, policy="strict")
    assert record.success
    failed = [each for each in record.attempts if each.error]
    assert failed
    assert {each.stage for each in failed} <= {Stage.PREPARE, Stage.DENOISE, Stage.DECODE}
    assert all(each.of_pass is None or each.of_pass.name == "hires" for each in failed)
    assert record.images[0].width == 1024
