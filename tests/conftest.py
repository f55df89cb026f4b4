"""Shared by all tests: small models, and folders apart from those of the user."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

# Tiny models gain nothing from threads, and lose much on busy cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Each program that a test starts would compile sdtui again, and each run the tests' assertions.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

TESTS = Path(__file__).parent


def pytest_configure() -> None:
    """Let signals reach programs that tests start: a shell ignores ^C for background jobs, and
    nohup ignores hangups."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let every worker of a whole run begin with other files: what one has compiled, the others
    read. Rewriting the assertions of all files takes longer than all else before the first test."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count == 1 or session.config.args != session.config.getini("testpaths"):
        return
    files = sorted(TESTS.rglob("test_*.py"))
    first = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) * len(files) // count
    for file in files[first:] + files[:first]:
        with suppress(Exception):  # which is reported when the file is collected
            import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Exclude imported libraries from every `gc.collect` of the engine, and collect seldom: an app
    makes so many objects that a fifth of its tests' time would go into looking for circles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Leave out `fsync`: files of tests needn't outlast a power failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True)
def own_log_level() -> Iterator[None]:
    """Undo what a program that runs within a test sets: pytest keeps all records that are logged,
    and with them what is in the tracebacks of errors."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture(scope="session")
def tiny_sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny SD 1.x model. Tests must not change it."""
    from sdtui.engine.library_setup import quiet_libraries
    from tests.support.tiny_models import make_sd1

    quiet_libraries()
    return make_sd1(tmp_path_factory.mktemp("models") / "tiny-sd1")


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny SDXL model. Tests must not change it."""
    from sdtui.engine.library_setup import quiet_libraries
    from tests.support.tiny_models import make_sdxl

    quiet_libraries()
    return make_sdxl(tmp_path_factory.mktemp("models") / "tiny-sdxl")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Paths of new folders. pytest's own `mktemp` reads the names of all folders for each."""
    base = tmp_path_factory.mktemp("homes")
    return (base / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_folders(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty folder for all user folders and the hub's cache; returns it."""
    home = next(homes)
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("SDTUI_")]:
        monkeypatch.delenv(name)
    for name in ("HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for kind in ("CONFIG", "STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    monkeypatch.setenv("HF_HOME", str(home / "huggingface"))
    return home
