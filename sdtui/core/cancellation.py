"""Cancel a run from another thread."""

from __future__ import annotations

import threading

from sdtui.core.errors import CancelledError


class Cancellation:
    """Two flags that one thread sets and the running thread checks: stop now, and stop after the
    current picture."""

    def __init__(self) -> None:
        self._now = threading.Event()
        self._after_picture = threading.Event()

    def stop_now(self) -> None:
        """Stop within one step; the current picture is lost."""
        self._now.set()

    def stop_after_picture(self) -> None:
        """Stop once the current pictures are finished."""
        self._after_picture.set()

    @property
    def is_requested(self) -> bool:
        """True if either flag is set."""
        return self._now.is_set() or self._after_picture.is_set()

    def check(self) -> None:
        """Raise CancelledError if the run should stop now."""
        if self._now.is_set():
            raise CancelledError

    def check_between_pictures(self) -> None:
        """Raise CancelledError if the run should stop now or after a picture."""
        if self.is_requested:
            raise CancelledError
