"""Events for tests, and collecting those of a run."""

from __future__ import annotations

from sdtui.requests.events import Event, JobEvent, Step


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
