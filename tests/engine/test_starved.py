"""Real out-of-memory: torch's allocator fails under an address-space limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdtui.requests.record import GenerationRecord, Stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS"),
]


def _starve(model: Path, policy: str, *megabytes: int) -> GenerationRecord:
    """Return the record of the last run: the first with one of the limits that recovered."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.starved", str(model), policy, *map(str, megabytes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return GenerationRecord.model_validate_json(done.stdout.splitlines()[-1])


def test_decode_recovers_with_tiling(tiny_sd1: Path) -> None:
    # The exact limit depends on the machine.
    record = _starve(tiny_sd1, "strict", 80, 70, 90, 60, 100)
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
    record = _starve(tiny_sd1, "strict", 10)
    assert not record.success
    assert record.error is not None
    assert "memory ran out in the denoise stage" in record.error
    assert len(record.attempts) == 2
