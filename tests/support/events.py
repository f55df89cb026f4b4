"""Events for tests, and collecting those of a run."""

from __future__ import annotations

from sdtui.requests import events as kinds
from sdtui.requests.events import Event, JobEvent, Step
from sdtui.requests.record import Stage, Truncation
from sdtui.requests.training.events import Preparing, TrainingFailed
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
    kinds.Tile(tile=1, total=4),
    kinds.Preview(step=1, image_index=0, width=2, height=1, rgb=b"\x00\xff\x80\xfb\xef\xbe"),
    kinds.Notice(message="[red] \x1b 🐈"),
    kinds.Attached(name="control1", png=b"\x89PNG"),
    kinds.Saved(image_index=0, seed=1, path="/a/b.png"),
    kinds.SheetSaved(path="/a/sheet.png"),
    kinds.WorkerLost(error="the process of GPU 0 ended"),
    kinds.WorkerJoined(name="gpu1 cuda:0"),
    kinds.WorkerAway(name="gpu1 cuda:0"),
    kinds.Training(name="zorb", event=TrainingFailed(error="no", error_type="TrainingError")),
    kinds.TrainingProgress(name="zorb", event=Preparing(what="latents", done=1, total=2)),
    kinds.Finished(record=record()),
    kinds.Failed(error="no", hint="yes", is_user_error=True, stage=Stage.LOAD, record=record()),
    kinds.Cancelled(),
]
"""An event of every kind."""


class Events(list[Event]):
    """A list of events that can be handed over as `report`."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def kinds(self) -> list[str]:
        """The kinds, in order."""
        return [event.kind for event in self]


def in_envelope(job: str, event: Event, time: float = 0.0) -> JobEvent:
    """Return an event as the queue hands it over."""
    return JobEvent(job=job, time=time, event=event)


def step_event(step: int, total: int, first_image: int = 0, batch_size: int = 1) -> Step:
    """Return a step that took 0.1 s."""
    return Step(
        step=step,
        total=total,
        first_image=first_image,
        batch_size=batch_size,
        seconds=0.1,
        it_per_second=10.0,
        remaining=(total - step) / 10,
        memory_now=2**30,
        memory_peak=2**30,
    )
