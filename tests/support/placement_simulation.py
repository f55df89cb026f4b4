"""A simulation of devices that serve many clients' jobs. Times are in seconds, memory in GiB."""

from __future__ import annotations

import heapq
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sdtui.jobs.placement import Backlog, Choice, Device, choose


class Model(NamedTuple):
    """What a model costs."""

    seconds: float
    """Of a job."""
    load: float
    need: int
    share: float
    """Of all jobs."""


MODELS = {
    "sd15": Model(2.0, 4.0, 4, 0.35),
    "sdxl": Model(6.0, 12.0, 10, 0.4),
    "sd3": Model(9.0, 25.0, 18, 0.1),
    "flux": Model(15.0, 50.0, 34, 0.1),
    "qwen": Model(25.0, 80.0, 58, 0.05),
}
_CLIENTS = 40
_STAYS = 0.8
"""How likely the next job of a client has the same model."""


class Arrival(NamedTuple):
    """A job."""

    time: float
    model: str
    client: str


def arrivals(count: int, devices: int, load: float, seed: int = 1) -> list[Arrival]:
    """Return jobs of clients that stay with a model for a while. `load` is the share of the time of
    all devices that the jobs take, without loading."""
    chance = random.Random(seed)
    shares = [each.share for each in MODELS.values()]

    def some_model() -> str:
        return chance.choices(list(MODELS), shares)[0]

    mean = sum(each.seconds * each.share for each in MODELS.values())
    chosen = [some_model() for _ in range(_CLIENTS)]
    now, jobs = 0.0, []
    for _ in range(count):
        now += chance.expovariate(devices * load / mean)
        client = chance.randrange(_CLIENTS)
        if chance.random() > _STAYS:
            chosen[client] = some_model()
        jobs.append(Arrival(now, chosen[client], str(client)))
    return jobs


def fleet(count: int) -> list[int]:
    """Return the memory of cards: half of them have 24, a quarter 48 and a quarter 80 GiB."""
    return [(24, 24, 24, 24, 48, 48, 80, 80)[number % 8] for number in range(count)]


@dataclass
class Outcome:
    """What came of a simulation."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    """From arrival to the first step, by client."""
    loads: int = 0
    too_small: int = 0
    """Jobs that began on a card without room for their model."""
    decisions: list[float] = field(default_factory=list)
    """Seconds that each choice took to compute."""

    @property
    def all_waits(self) -> list[float]:
        return [wait for waits in self.waits.values() for wait in waits]

    def __str__(self) -> str:
        waits = sorted(self.all_waits)
        p95 = waits[int(0.95 * len(waits))]
        means = [statistics.mean(each) for each in self.waits.values()]
        return (
            f"mean wait {statistics.mean(waits):7.1f} s  p95 {p95:7.1f}  longest {waits[-1]:7.1f}  "
            f"loads {self.loads:5}  client means {min(means):.0f} to {max(means):.0f} s  "
            f"{1e6 * statistics.mean(self.decisions):.0f} us a decision"
        )


Policy = Callable[[Sequence[Device], Sequence[Backlog], float], Choice | None]


def drain(devices: Sequence[Device], backlogs: Sequence[Backlog], _: float) -> Choice | None:
    """sdtui's own."""
    return choose(devices, backlogs, lambda model: MODELS[model].load)


def fifo(devices: Sequence[Device], backlogs: Sequence[Backlog], _: float) -> Choice | None:
    """The job that waits longest, on the first free card that has room."""
    oldest = max(backlogs, key=lambda each: each.waited, default=None)
    for device in devices:
        if oldest is not None and device.is_free and device.fits(oldest.need):
            return Choice(oldest.job, device.name)
    return None


class Simulation:
    """Runs jobs on cards under a policy."""

    def __init__(self, jobs: Sequence[Arrival], memory: Sequence[int], policy: Policy) -> None:
        self._jobs = jobs
        self._policy = policy
        self._memory = memory
        self._models: list[str | None] = [None] * len(memory)
        self._free = [True] * len(memory)
        self._waiting: dict[tuple[str, str], deque[int]] = {}
        """By client and model."""
        self._served: dict[tuple[str, str], float] = {}
        self._now = 0.0
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Serve all jobs."""
        events = [(job.time, 0, number) for number, job in enumerate(self._jobs)]
        heapq.heapify(events)
        while events:
            self._now, kind, number = heapq.heappop(events)
            if kind == 0:
                job = self._jobs[number]
                self._waiting.setdefault((job.client, job.model), deque()).append(number)
            else:
                self._free[number] = True
            while any(self._free) and self._waiting:
                began = time.perf_counter()
                choice = self._policy(self._devices(), self._backlogs(), self._now)
                self.outcome.decisions.append(time.perf_counter() - began)
                if choice is None:
                    break
                device = int(choice.device)
                heapq.heappush(events, (self._begin(int(choice.job), device), 1, device))
        assert not self._waiting, "no job is left over"
        return self.outcome

    def _begin(self, number: int, device: int) -> float:
        """Begin a job; return when it ends."""
        job = self._jobs[number]
        model = MODELS[job.model]
        key = (job.client, job.model)
        self._waiting[key].remove(number)
        if not self._waiting[key]:
            del self._waiting[key]
        load = 0.0 if self._models[device] == job.model else model.load
        self.outcome.loads += load > 0
        self.outcome.too_small += model.need > self._memory[device]
        self.outcome.waits.setdefault(job.client, []).append(self._now + load - job.time)
        self._served[key] = self._now
        self._models[device], self._free[device] = job.model, False
        return self._now + load + model.seconds

    def _devices(self) -> list[Device]:
        return [
            Device(str(number), memory, self._models[number], self._free[number])
            for number, memory in enumerate(self._memory)
        ]

    def _backlogs(self) -> list[Backlog]:
        found = []
        for (client, name), numbers in self._waiting.items():
            model = MODELS[name]
            found.append(
                Backlog(
                    model=name,
                    job=str(numbers[0]),
                    seconds=len(numbers) * model.seconds,
                    waited=self._now - self._jobs[numbers[0]].time,
                    client=client,
                    since_served=self._now - self._served.get((client, name), -math.inf),
                    need=model.need,
                )
            )
        return found
