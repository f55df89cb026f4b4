"""Collecting a run's events."""

from __future__ import annotations

from sdtui.requests.events import Event


class Events(list[Event]):
    """A list of events that can be handed over as `report`."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def kinds(self) -> list[str]:
        """The kinds, in order."""
        return [event.kind for event in self]
