"""Cancel a run from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sdtui.core.errors import CancelledError


class Cancellation:
    """Two flags that one thread sets and the running thread checks: stop now, and stop after the
    current picture."""

    def __init__(self) -> None:
        self._now = threading.Event()
        self._after_picture = threading.Event()
        self._on_request: Callable[[], object] | None = None

    def when_requested(self, action: Callable[[], object] | None) -> None:
        """Call `action` whenever a flag is set, and now if one is set already. It is called on the
        thread that sets the flag. None = call nothing any more."""
        self._on_request = action
        if self.is_requested:
            self._note()

    def _note(self) -> None:
        action = self._on_request
        if action is not None:
            action()

    def stop_now(self) -> None:
        """Stop within one step; the current picture is lost."""
        self._now.set()
        self._note()

    def stop_after_picture(self) -> None:
        """Stop once the current pictures are finished."""
        self._after_picture.set()
        self._note()

    @property
    def is_immediate(self) -> bool:
        """True if the run should stop now."""
        return self._now.is_set()

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
