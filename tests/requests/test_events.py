"""Events and records survive a trip through JSON."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

import pytest
from pydantic import ValidationError

from sdtui.requests import events as kinds
from sdtui.requests.events import Event, JobEvent
from sdtui.requests.record import GenerationRecord, MemoryRecord, Stage, Truncation
from tests.support.records import record

TRUNCATION = Truncation(
    field="prompt", encoder="text_encoder", tokens=80, limit=75, start=200, cut="the end"
)
EVENTS: list[Event] = [
    kinds.Queued(position=2),
    kinds.EngineStarting(),
    kinds.Started(seed=2**32 - 1),
    kinds.Loading(model="pocket", component="unet", number=1, total=3),
    kinds.Downloading(model="a/b", done=5, total=2**40, speed=1.5),
    kinds.Loaded(
        model="a", family="sd1", device="cpu", dtype="float32", memory_mode="full", seconds=0.1
    ),
    kinds.Downloaded(model="owner/name"),
    kinds.Unloaded(),
    kinds.ModelReady(model="pocket"),
    kinds.Superseded(),
    kinds.Estimated(estimate=1, free=2, memory_mode="full"),
    kinds.Truncated(truncation=TRUNCATION),
    kinds.StageStarted(stage=Stage.DENOISE),
    kinds.Attempt(
        number=2, stage=Stage.DECODE, rung="tile", changes="tiled", lossless=True, error="oom"
    ),
    kinds.Step(
        step=1,
        total=2,
        first_image=0,
        batch_size=1,
        seconds=0.5,
        it_per_second=2.0,
        remaining=0.5,
        memory_now=1,
        memory_peak=2,
    ),
    kinds.Preview(step=1, image_index=0, width=2, height=1, rgb=b"\x00\xff\x80\xfb\xef\xbe"),
    kinds.Notice(message="[red] \x1b 🐈"),
    kinds.Saved(image_index=0, seed=1, path="/a/b.png"),
    kinds.Finished(record=record()),
    kinds.Failed(error="no", hint="yes", is_user_error=True, stage=Stage.LOAD, record=record()),
    kinds.Cancelled(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_every_event_survives_json(event: Event) -> None:
    envelope = JobEvent(job="j1", time=1.25, event=event)
    back = JobEvent.model_validate_json(envelope.model_dump_json())
    assert back == envelope
    assert type(back.event) is type(event)


def test_every_kind_of_event_is_tested() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(get_args(Event)[0]))


def test_unknown_event_kind_is_refused() -> None:
    with pytest.raises(ValidationError):
        JobEvent.model_validate({"job": "j", "time": 0, "event": {"kind": "tea"}})


def test_record_survives_json() -> None:
    whole = record(pictures=2).model_copy(
        update={
            "truncations": (TRUNCATION,),
            "memory": MemoryRecord(device="cpu", estimate=1, peak=2, total=3),
        }
    )
    assert GenerationRecord.model_validate_json(whole.model_dump_json()) == whole


def test_timestamp_without_time_zone_is_refused() -> None:
    values = record().model_dump()
    values["timestamp"] = datetime(2026, 1, 1)
    with pytest.raises(ValidationError):
        GenerationRecord.model_validate(values)


def test_record_of_one_image_has_its_seed() -> None:
    own = record(pictures=3, seed=7).of_image(2)
    assert own.seed == 9
    assert [image.index for image in own.images] == [2]
