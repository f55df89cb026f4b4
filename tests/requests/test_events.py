"""Events and records survive a trip through JSON."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

import pytest
from pydantic import ValidationError

from sdtui.requests.events import Event, JobEvent
from sdtui.requests.record import GenerationRecord, MemoryRecord
from tests.support.events import EVENTS, TRUNCATION
from tests.support.records import record


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
