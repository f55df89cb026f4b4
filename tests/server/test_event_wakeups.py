"""Waiting coroutines are woken for every event that they haven't read yet."""

from __future__ import annotations

import asyncio

from sdtui.requests.events import Event, Finished, Queued, Started
from sdtui.server.services.attach_hub import AttachHub
from sdtui.server.services.job_events import JobEventBroker
from tests.support.events import in_envelope, step_event
from tests.support.fakes import FakeBackend
from tests.support.records import record


async def test_subscription_gets_what_comes_before_and_while_it_is_read() -> None:
    broker = JobEventBroker()
    broker.put(in_envelope("a", Queued(position=0)))
    with broker.subscribe("a", fleeting=True) as subscription:
        reading = aiter(subscription)
        await _put(broker, Started(seed=1), step_event(1, 3), step_event(2, 3))
        read = [await anext(reading) for _ in range(3)]
        await _put(broker, step_event(3, 3), Finished(record=record()))
        read += [each async for each in reading]
    steps = [step_event(number, 3) for number in (2, 3)]
    kinds = [each.event.kind for each in read]
    assert kinds == ["queued", "started", "step", "step", "finished"]
    assert [each.event for each in read if each.event.kind == "step"] == steps


async def _put(broker: JobEventBroker, *events: Event) -> None:
    for event in events:
        await asyncio.to_thread(broker.put, in_envelope("a", event))


async def test_attached_client_is_woken_again_after_each_look() -> None:
    hub = AttachHub(FakeBackend(), "run")
    step = in_envelope("a", step_event(1, 3))
    with hub.waking() as woken:
        for _ in range(2):
            await asyncio.to_thread(hub.put, step)
            await asyncio.to_thread(hub.put, step)
            await asyncio.wait_for(woken.wait(), 10)
            woken.clear()
            await asyncio.sleep(0)
            assert not woken.is_set()
    hub.put(step)  # nobody is attached any more
