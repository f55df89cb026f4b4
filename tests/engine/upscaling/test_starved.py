"""Real out-of-memory of an upscaler: torch's allocator fails under an address-space limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.spandrel import needs_spandrel
from tests.support.upscalers import save_upscaler, tiny_esrgan

pytestmark = [
    pytest.mark.slow,
    needs_spandrel,
    pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS"),
]


def _starve(folder: Path, megabytes: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.starved_upscaler", str(folder), str(megabytes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_tiles_are_halved_when_memory_really_runs_out(tmp_path: Path) -> None:
    save_upscaler(tmp_path / "4x.safetensors", tiny_esrgan())
    # The exact limit depends on the machine.
    results = (_starve(tmp_path, megabytes) for megabytes in (100, 80, 60, 120))
    result = next(each for each in results if each["notices"] and "size" in each)
    assert result["size"] == [960, 960]
    assert result["notices"][0].startswith("memory ran out: upscaling in tiles of ")
