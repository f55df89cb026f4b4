"""Real out-of-memory: torch's allocator fails under an address-space limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sdtui.requests.record import GenerationRecord, Stage
from tests.support.spandrel import needs_spandrel
from tests.support.upscalers import save_upscaler, tiny_esrgan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS"),
]

# Large tensors are mapped and unmapped, so that what a run needs depends on its tensors alone and
# not on what the allocator kept of earlier ones.
_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(2**20), "MALLOC_ARENA_MAX": "1"}


@pytest.fixture(scope="module")
def starved(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `tests.support.starved` prints. One process does it all: torch takes long to import."""
    folder = ""
    if find_spec("spandrel") is not None:
        upscalers = tmp_path_factory.mktemp("upscalers")
        save_upscaler(upscalers / "4x.safetensors", tiny_esrgan())
        folder = str(upscalers)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.starved", str(tiny_sd1), folder],
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
        env=os.environ | _ENVIRONMENT,
    )
    return done.stdout.splitlines()


def _record(line: str) -> GenerationRecord:
    return GenerationRecord.model_validate_json(line)


def test_decode_recovers_with_tiling(starved: list[str]) -> None:
    record = _record(starved[0])
    assert record.success
    assert len(record.attempts) > 1
    assert record.attempts[0].stage is Stage.DECODE
    assert record.attempts[0].error is not None
    messages = ("DefaultCPUAllocator", "could not create a primitive")  # torch's words or oneDNN's
    assert any(words in record.attempts[0].error for words in messages)
    assert record.attempts[-1].rung == "VAE tiling"
    assert record.settings is not None
    assert record.settings.width == 512


def test_second_pass_recovers_and_keeps_the_first(starved: list[str]) -> None:
    record = _record(starved[1])
    assert record.success
    failed = [each for each in record.attempts if each.error]
    assert failed
    assert {each.stage for each in failed} <= {Stage.PREPARE, Stage.DENOISE, Stage.DECODE}
    assert all(each.of_pass is None or each.of_pass.name == "hires" for each in failed)
    assert record.images[0].width == 1024


def test_unrecoverable_failure_lists_its_attempts(starved: list[str]) -> None:
    record = _record(starved[2])
    assert not record.success
    assert record.error is not None
    assert "memory ran out in the denoise stage" in record.error
    assert len(record.attempts) == 2


@needs_spandrel
def test_upscaler_halves_its_tiles_when_memory_really_runs_out(starved: list[str]) -> None:
    result = json.loads(starved[3])
    assert result["size"] == [960, 960]
    assert result["notices"][0].startswith("memory ran out: upscaling in tiles of ")
