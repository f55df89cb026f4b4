"""How much of its event stream a client has read.

ssh and proxies read megabytes ahead of a slow line. Behind them a server can't see how slow it is,
and previews would delay events by many seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_MOST_UNREAD = 4096
"""Bytes that may be on their way when previews and the like are sent."""


def _nothing() -> None: ...


@dataclass
class Receipt:
    """What one client has read. Used on the event loop."""

    is_wanted: bool = True
    """False if the client doesn't say it."""
    sent: int = 0
    """Bytes of the stream,"""
    read: int = 0
    """and those that the client has."""
    on_change: Callable[[], object] = _nothing

    @property
    def is_late(self) -> bool:
        """True if much is on its way, so that only what matters should follow."""
        return self.is_wanted and self.sent - self.read > _MOST_UNREAD


class Receipts:
    """The receipts of all streams, by the ids that their clients chose. Used on the event loop."""

    def __init__(self) -> None:
        self._receipts: dict[str, Receipt] = {}

    @contextmanager
    def of_stream(self, stream_id: str) -> Iterator[Receipt]:
        """Yield the receipt of a stream while it is open; without an id, one that is never late."""
        receipt = Receipt(is_wanted=bool(stream_id))
        if stream_id:
            self._receipts[stream_id] = receipt
        try:
            yield receipt
        finally:
            if self._receipts.get(stream_id) is receipt:
                del self._receipts[stream_id]

    def note(self, stream_id: str, read: int) -> None:
        """Note how many bytes of a stream its client has read."""
        receipt = self._receipts.get(stream_id)
        if receipt is not None and read > receipt.read:
            receipt.read = read
            receipt.on_change()
