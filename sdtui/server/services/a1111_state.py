"""What A1111's API remembers between requests: the chosen model, and the clients of jobs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class A1111State:
    """Used on the server's loop only."""

    checkpoint: str
    """The chosen model."""
    clients: dict[str, str] = field(default_factory=dict)
    """The address that asked for a job, by the job's id; for those that are not over."""
    hung_up: dict[str, float] = field(default_factory=dict)
    """When a client that waited last went away, by its address; in monotonic seconds."""
    interrupted: set[str] = field(default_factory=set)
    """Jobs that a client interrupted, until their request is answered."""
    skipped: set[str] = field(default_factory=set)
    """Jobs that a client stopped to go on with the remaining pictures, until it does."""

    def note_hang_up(self, address: str) -> None:
        """Remember for a minute that the client of this address went away."""
        now = time.monotonic()
        recent = {each: when for each, when in self.hung_up.items() if now - when < 60}
        self.hung_up = {**recent, address: now}
