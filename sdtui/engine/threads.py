"""The number and the priority of the threads that compute on the CPU."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

import psutil
import torch

WINDOW = 0.25
"""Minimum seconds between two measurements of other processes' CPU use; the system counts in ticks
of 0.01 s."""

NICENESS = 5
"""Of a thread that computes on the CPU next to an event loop. With both of two cores busy it
reduced the loop's 95th percentile lag from 19-23 ms to 7-13 ms at no cost; one compute thread fewer
was no better and costs a core."""


def lower_thread_priority() -> None:
    """Lower this thread's priority (nice +5), so that the event loop stays responsive. Linux only;
    inherited by threads that it starts."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def allowed_cpus() -> Collection[int]:
    """Return the numbers of the logical CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def most_threads() -> int:
    """Return the number of physical cores that this process may use: two threads on one core only
    wait for each other."""
    cpus = len(allowed_cpus())
    return max(1, min(psutil.cpu_count(logical=False) or cpus, cpus))


class Used(NamedTuple):
    """CPU seconds, with arbitrary origins."""

    clock: float
    own: float
    """Of this process."""
    all: float
    """Of all processes, on the CPUs that this process may use."""


def measure_use() -> Used:
    """Return the CPU time used so far."""
    allowed = allowed_cpus()
    times = [each for cpu, each in enumerate(psutil.cpu_times(percpu=True)) if cpu in allowed]
    busy = sum(each.user + getattr(each, "nice", 0.0) + each.system for each in times)
    return Used(time.perf_counter(), time.process_time(), busy)


class ThreadCount:
    """Lets torch compute with as many threads as there are physical cores, or fewer while other
    processes keep cores busy. All threads wait for the slowest after every operation: with one
    thread more than free cores, a step takes as long as dozens.

    Applies to the calling thread. OMP_NUM_THREADS, if set, is respected.
    """

    def __init__(
        self, *, most: int | None = None, measure: Callable[[], Used] = measure_use
    ) -> None:
        """`most` = the number without other load (default: `most_threads`)."""
        self._fixed = "OMP_NUM_THREADS" in os.environ
        self._most = most or most_threads()
        self._measure = measure
        self._last = measure()
        if not self._fixed:
            torch.set_num_threads(self._most)

    def begin(self) -> None:
        """Start measuring: other processes' use while nothing was computed here is ignored."""
        self._last = self._measure()

    def adapt(self, *, compiled: bool = False) -> None:
        """Use the cores that other processes left free since the last measurement. Call it after
        every step: it does nothing within `WINDOW` seconds.

        A `compiled` model gets all of them, or one if others hold half of the cores: torch
        recompiles for each number, and gives up after a few.
        """
        if self._fixed or time.perf_counter() - self._last.clock < WINDOW:
            return
        now = self._measure()
        others = (now.all - self._last.all) - (now.own - self._last.own)
        busy = max(0.0, others / (now.clock - self._last.clock))
        self._last = now
        wanted = max(1, min(self._most, round(len(allowed_cpus()) - busy)))
        if compiled:
            wanted = self._most if 2 * wanted > self._most else 1
        if wanted != torch.get_num_threads():
            torch.set_num_threads(wanted)
