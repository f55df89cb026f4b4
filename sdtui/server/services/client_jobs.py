"""How many jobs each client has in the queue."""

from __future__ import annotations

import threading

from fastapi import Request

from sdtui.core.errors import QueueFullError
from sdtui.jobs import Jobs


def client_address(http: Request) -> str:
    """The identity of a client: its address, since requests have no ids."""
    return http.client.host if http.client else ""


class ClientJobs:
    """Limits the unfinished jobs of each address. Thread-safe."""

    def __init__(self, jobs: Jobs, limit: int | None) -> None:
        """`limit` is the largest number of an address; None = no limit."""
        self._jobs = jobs
        self._limit = limit
        self._addresses: dict[str, str] = {}
        """By the id of the job; finished ones are removed with the next job."""
        self._lock = threading.Lock()

    def check(self, address: str) -> None:
        """Raise QueueFullError if the client may have no more jobs."""
        if self._limit is None:
            return
        unfinished = {job.id for job in self._jobs.jobs() if not job.state.is_over}
        with self._lock:
            known = self._addresses.items()
            self._addresses = {job: each for job, each in known if job in unfinished}
            count = list(self._addresses.values()).count(address)
        if count >= self._limit:
            raise QueueFullError(
                f"{count} jobs of your address are waiting or running, as many as are allowed",
                "Try again later",
            )

    def note(self, job: str, address: str) -> None:
        """Note a new job of a client."""
        if self._limit is not None:
            with self._lock:
                self._addresses[job] = address
