"""Which job goes to which device."""

from __future__ import annotations

import random
import statistics

from sdtui.jobs.placement import Backlog, Choice, Device, choose
from tests.support.placement_simulation import Arrival, Simulation, arrivals, drain, fifo, fleet

Situation = tuple[list[Device], list[Backlog]]


def _situation(chance: random.Random) -> Situation:
    """Return some devices and some work."""
    models = [None, "a", "b", "c"]
    devices = [
        Device(
            str(number),
            chance.choice([None, 8, 16, 24]),
            chance.choice(models),
            chance.random() < 0.6,
        )
        for number in range(chance.randint(1, 5))
    ]
    backlogs = [
        Backlog(
            model=model,
            job=f"{model}{client}",
            seconds=chance.uniform(1, 500),
            waited=chance.uniform(0, 300),
            client=client,
            since_served=chance.choice([chance.uniform(0, 300), float("inf")]),
            need={"a": 4, "b": 12, "c": 40}[model],
            is_urgent=chance.random() < 0.1,
        )
        for model in "abc"
        for client in "xyz"
        if chance.random() < 0.4
    ]
    return devices, backlogs


def _has_room(device: Device, need: int, devices: list[Device]) -> bool:
    sizes = [each.memory for each in devices]
    if device.memory is None or need <= device.memory:
        return True
    known = [each for each in sizes if each is not None]
    return None not in sizes and need > max(known) and device.memory == max(known)


def test_choice_is_a_waiting_job_on_a_free_device_with_room() -> None:
    chance = random.Random(7)
    made = 0
    for _ in range(1500):
        devices, backlogs = _situation(chance)
        possible = {
            Choice(backlog.job, device.name)
            for device in devices
            for backlog in backlogs
            if device.is_free and _has_room(device, backlog.need, devices)
        }
        choice = choose(devices, backlogs, lambda _: 30.0)
        assert (choice is not None) == bool(possible), "a device never idles beside its work"
        assert choice is None or choice in possible
        made += choice is not None
    assert made > 500


def _one_client(model: str, seconds: float, waited: float, **others: object) -> Backlog:
    values = {"since_served": 0.0, **others}
    return Backlog(model, model, seconds, waited, **values)  # type: ignore[arg-type]


def test_device_keeps_its_model_while_another_is_not_worth_its_loading() -> None:
    device = Device("0", model="a")
    own = _one_client("a", 20, 0)
    for waited, expected in ((100, "a"), (200, "b")):
        other = _one_client("b", 5, waited, since_served=float("inf"))
        choice = choose([device], [own, other], lambda _: 15.0)
        assert choice == Choice(expected, "0"), waited


def test_job_moved_to_the_front_comes_first() -> None:
    device = Device("0", model="a")
    backlogs = [_one_client("a", 900, 500), _one_client("b", 1, 0, is_urgent=True)]
    assert choose([device], backlogs, lambda _: 80.0) == Choice("b", "0")


def test_model_without_room_anywhere_goes_to_the_largest_card() -> None:
    devices = [Device("0", 8), Device("1", 24), Device("2", 16)]
    assert choose(devices, [_one_client("a", 1, 0, need=40)], lambda _: 1.0) == Choice("a", "1")


def test_idle_device_with_the_model_in_memory_is_preferred() -> None:
    devices = [Device("0"), Device("1", model="b"), Device("2", model="a")]
    assert choose(devices, [_one_client("a", 1, 0)], lambda _: 1.0) == Choice("a", "2")


def test_simulated_jobs_wait_a_tenth_of_first_in_first_out() -> None:
    jobs, cards = arrivals(700, 8, 0.95), fleet(8)
    before = Simulation(jobs, cards, fifo).run()
    after = Simulation(jobs, cards, drain).run()
    assert after.too_small == 0
    assert len(after.all_waits) == len(jobs)
    assert statistics.mean(after.all_waits) < statistics.mean(before.all_waits) / 10
    assert max(after.all_waits) < max(before.all_waits)


def test_client_with_many_jobs_does_not_keep_others_waiting() -> None:
    few = [Arrival(10.0 + 5 * number, "sd15", "few") for number in range(20)]
    crowd = [Arrival(0.0, "sdxl", "crowd")] * 400
    waits = Simulation(sorted([*crowd, *few]), fleet(4), drain).run().waits
    assert max(waits["few"]) < 120
    assert max(waits["crowd"]) > 500
