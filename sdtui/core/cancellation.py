"""Asking a run to stop."""

from __future__ import annotations

import threading

from sdtui.core.errors import CancelledError


class Cancellation:
    """Two flags that one thread sets and the running one looks at: stop now, and stop after the
    picture that is being made."""

    def __init__(self) -> None:
        self._now = threading.Event()
        self._after_picture = threading.Event()

    def stop_now(self) -> None:
        """Stop within one step; what is being made is lost."""
        self._now.set()

    def stop_after_picture(self) -> None:
        """Finish the pictures that are being made, and make no more."""
        self._after_picture.set()

    @property
    def asked(self) -> bool:
        """Whether either was asked for."""
        return self._now.is_set() or self._after_picture.is_set()

    def check(self) -> None:
        """Raise CancelledError if the run is to stop now."""
        if self._now.is_set():
            raise CancelledError

    def check_between_pictures(self) -> None:
        """Raise CancelledError if the run is to stop now or after a picture."""
        if self.asked:
            raise CancelledError
