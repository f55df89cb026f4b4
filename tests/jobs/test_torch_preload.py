"""Importing torch doesn't block other threads."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sdtui.core.errors import SettingsError
from sdtui.core.settings import Settings
from sdtui.jobs.generator import make_generator
from sdtui.jobs.torch_preload import without_blocking_the_event_loop

LOAD = """
from pathlib import Path
from sdtui.jobs.torch_preload import load_libraries
assert load_libraries() == ["libtorch_global_deps.so", "libtorch.so"]
assert "libtorch_cpu" in Path("/proc/self/maps").read_text()
"""


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Restore the test process's garbage collection."""
    yield
    gc.unfreeze()


def test_imported_objects_are_frozen_for_the_garbage_collector() -> None:
    with without_blocking_the_event_loop():
        assert not gc.isenabled()
        here_to_stay: list[list[int]] = [[]] * 3
    assert gc.isenabled()
    assert gc.get_freeze_count()
    assert all(each is not here_to_stay for each in gc.get_objects())


def test_disabled_garbage_collector_stays_disabled() -> None:
    gc.disable()
    try:
        with without_blocking_the_event_loop():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch loads its libraries itself")
def test_torch_libraries_are_preloaded() -> None:
    subprocess.run([sys.executable, "-c", LOAD], check=True)


def test_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sdtui.engine.generator", None)
    with pytest.raises(SettingsError, match=r"not installed.*--connect"):
        make_generator(Settings(device="cpu"))
