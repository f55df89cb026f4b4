"""The order of the jobs of one device that several clients share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from sdtui.jobs import Job
from sdtui.jobs.dispatcher import Dispatcher, model_key
from sdtui.jobs.queue_state import QueueState
from sdtui.requests.events import Loaded
from sdtui.requests.request import GenerationRequest
from tests.support.workers import slot_of

_JOB_SECONDS, _LOAD_SECONDS = 5.0, 10.0


@dataclass
class _Device:
    """A simulated device and its queue; the clock is advanced by what it does."""

    groups_models: bool = True
    now: float = 0.0
    loads: int = 0
    order: list[str] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(clock=lambda: self.now, groups_models=self.groups_models)
        self.dispatcher.add(slot_of("gpu"))
        self.state = QueueState()
        self._model = ""
        self._queued: dict[str, float] = {}

    def submit(self, job_id: str, model: str, client: str, *, front: bool = False) -> None:
        request = GenerationRequest(prompt="x", model=model)
        self.state.add(Job(id=job_id, request=request, client=client), front=front)
        self.dispatcher.queued(job_id, front=front)
        self._queued[job_id] = self.now

    def run_one(self) -> bool:
        """Run the next job; return False if there is none."""
        job_id = self.dispatcher.job_for("gpu", self.state)
        if job_id is None:
            return False
        job = self.state.begin("gpu", job_id)
        self.dispatcher.began("gpu", job)
        self.order.append(job_id)
        self.waits[job_id] = self.now - self._queued[job_id]
        if model_key(job.request) != self._model:
            self._model = model_key(job.request)
            self.loads += 1
            self.now += _LOAD_SECONDS
            self.dispatcher.learn(job, "gpu", _loaded(job.request.model))
        self.now += _JOB_SECONDS
        self.state.running.clear()
        return True

    def run(self, jobs: Sequence[tuple[str, str]]) -> None:
        """Run jobs of (model, client), all queued at once and named by their numbers."""
        for number, (model, client) in enumerate(jobs):
            self.submit(str(number), model, client)
        while self.run_one():
            pass


def _loaded(model: str) -> Loaded:
    return Loaded(
        model=model,
        family="sd1",
        device="cuda",
        dtype="float16",
        memory_mode="full",
        seconds=_LOAD_SECONDS,
    )


def test_two_models_of_two_clients_are_loaded_once_each() -> None:
    jobs = [("a", "one"), ("b", "two")] * 8
    in_order, grouped = _Device(groups_models=False), _Device()
    for device in (in_order, grouped):
        device.run(jobs)
    assert (in_order.loads, max(in_order.waits.values())) == (16, 225)
    assert (grouped.loads, max(grouped.waits.values())) == (2, 95)


def test_nobody_waits_for_long_while_others_keep_the_device_busy() -> None:
    device = _Device()
    names = map(str, itertools.count())
    for _ in range(300):  # more jobs of one model than the device can make
        for client in ("one", "two"):
            device.submit(next(names), "a", client)
        if len(device.order) % 20 == 10:
            device.submit(f"rare{next(names)}", "b", "three")
        device.run_one()
    rare = [wait for name, wait in device.waits.items() if name.startswith("rare")]
    assert len(rare) > 10
    assert rare[0] <= 12 * 15 + _JOB_SECONDS  # how long its loading takes isn't known yet
    assert max(rare[1:]) <= 12 * _LOAD_SECONDS + _JOB_SECONDS
    assert device.loads < 2 * len(rare) + 2


def test_models_take_turns_while_both_have_too_much_work() -> None:
    device = _Device()
    device.run([(model, client) for model, client in itertools.product("ab", ("one", "two"))] * 50)
    assert device.loads < 12
    turns = [list(group) for _, group in itertools.groupby(device.order, _is_of_first_model)]
    assert max(map(len, turns[1:-1])) <= 12 * _LOAD_SECONDS / _JOB_SECONDS + 1


def _is_of_first_model(job_id: str) -> bool:
    return int(job_id) % 4 < 2


def test_clients_of_one_model_take_turns_and_a_job_at_the_front_is_next() -> None:
    device = _Device()
    for number in range(3):
        device.submit(f"many{number}", "a", "many")
    device.submit("few", "a", "few")
    device.now = 10
    device.run_one()
    device.submit("urgent", "b", "other", front=True)
    while device.run_one():
        pass
    assert device.order == ["many0", "urgent", "few", "many1", "many2"]
