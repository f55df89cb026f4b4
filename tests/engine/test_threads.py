"""The number of CPU threads while other processes keep cores busy."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest
import torch

from sdtui.engine import threads
from sdtui.engine.threads import WINDOW, ThreadCount, Used, most_threads

CPUS = 4


@pytest.fixture
def several_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "allowed_cpus", lambda: range(CPUS))
    yield
    torch.set_num_threads(before)


class _Machine:
    """Other processes keep `busy` cores busy; this process uses two."""

    def __init__(self) -> None:
        self.now = Used(clock=-1000.0, own=0.0, all=0.0)

    def __call__(self) -> Used:
        return self.now

    def spend(self, seconds: float, busy: float) -> None:
        clock, own, everyone = self.now
        self.now = Used(clock + seconds, own + 2 * seconds, everyone + (2 + busy) * seconds)


@pytest.mark.usefixtures("several_cores")
@pytest.mark.parametrize(
    ("busy", "expected"), [(0.0, 4), (0.3, 4), (1.0, 3), (2.0, 2), (2.9, 1), (4.0, 1), (-0.1, 4)]
)
def test_thread_count_follows_free_cores(busy: float, expected: int) -> None:
    machine = _Machine()
    count = ThreadCount(most=CPUS, measure=machine)
    assert torch.get_num_threads() == CPUS
    machine.spend(1.0, busy)
    count.adapt()
    assert torch.get_num_threads() == expected
    machine.spend(1.0, 0.0)
    count.adapt()
    assert torch.get_num_threads() == CPUS


@pytest.mark.usefixtures("several_cores")
@pytest.mark.parametrize(("busy", "expected"), [(0.0, 4), (1.0, 4), (2.0, 1), (4.0, 1)])
def test_compiled_model_gets_all_threads_or_one(busy: float, expected: int) -> None:
    machine = _Machine()
    count = ThreadCount(most=CPUS, measure=machine)
    machine.spend(1.0, busy)
    count.adapt(compiled=True)
    assert torch.get_num_threads() == expected


@pytest.mark.usefixtures("several_cores")
def test_load_before_a_run_is_ignored() -> None:
    machine = _Machine()
    count = ThreadCount(most=CPUS, measure=machine)
    machine.spend(100.0, 4.0)
    count.begin()
    machine.spend(WINDOW, 0.0)
    count.adapt()
    assert torch.get_num_threads() == CPUS


@pytest.mark.usefixtures("several_cores")
def test_short_windows_do_not_change_the_thread_count() -> None:
    count = ThreadCount(most=CPUS)
    torch.set_num_threads(1)
    count.adapt()
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("several_cores")
def test_thread_count_set_by_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    machine = _Machine()
    count = ThreadCount(most=CPUS, measure=machine)
    machine.spend(1.0, 0.0)
    count.adapt()
    assert torch.get_num_threads() == 1


def test_threads_are_limited_to_usable_physical_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "allowed_cpus", lambda: range(16))
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 16 if logical else 8)
    assert most_threads() == 8
    monkeypatch.setattr(threads, "allowed_cpus", lambda: range(3))
    assert most_threads() == 3


def test_cpu_use_grows_with_work() -> None:
    before = threads.measure_use()
    sum(range(3_000_000))
    after = threads.measure_use()
    assert after.own > before.own
    assert after.all > before.all
