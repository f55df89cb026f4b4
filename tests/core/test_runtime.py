"""Settings of the whole process."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from sdtui.core.runtime import (
    pause_garbage_collection,
    resume_garbage_collection,
    share_one_arena,
)


@pytest.fixture(autouse=True)
def _unchanged_collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.enable()


def test_garbage_is_collected_rarely_after_the_start() -> None:
    gc.set_threshold(700, 10, 10)
    pause_garbage_collection()
    assert not gc.isenabled()
    resume_garbage_collection()
    assert gc.isenabled()
    assert gc.get_threshold()[0] >= 10_000


def test_a_collector_that_runs_is_left_alone() -> None:
    gc.set_threshold(700, 10, 10)
    resume_garbage_collection()
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_threads_share_one_arena(monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *option: options.append(option))
    monkeypatch.setattr("ctypes.CDLL", lambda _: library)
    share_one_arena()
    assert options == [(-8, 1)]
    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace())
    share_one_arena()  # where there is no glibc


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sleep in its C library")
def test_process_ends_whose_interpreter_is_held_by_a_library() -> None:
    code = (
        "import ctypes; from sdtui.core import runtime; runtime.end_unless_called_again(0.2); "
        "ctypes.PyDLL(None).sleep(60)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
