"""How much may be on its way to a terminal at the other end of a slow line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

QUESTION, ANSWER = "\x1b[5n", "\x1b[0n"
"""DSR: a terminal answers it once it has read all that came before."""

_FIRST_WINDOW, _SMALLEST_WINDOW, _LARGEST_WINDOW = 8_000, 500, 1_000_000
"""Bytes on their way."""
_TARGET_SECONDS = 0.06
"""How long bytes may wait on their way: what is sent next, the echo of a key, waits behind them."""
_PATIENCE_SECONDS = 3.0
"""After which an answer is lost, or, if none ever came, the terminal gives none."""


class _Question(NamedTuple):
    asked: float
    sent: int
    """Bytes that were sent before it."""
    is_full: bool
    """True if the window was rather full."""


class Flow:
    """Limits the bytes on their way by how long the terminal takes to answer (in the manner of
    LEDBAT, RFC 6817). Kernels and SSH would take hundreds of kilobytes at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window = float(_FIRST_WINDOW)
        self._sent = self._read = self._asked = 0
        """Bytes that were sent, that the terminal has read, and that a question follows."""
        self._questions: deque[_Question] = deque()
        self._shortest = float("inf")
        """Seconds of the quickest answer: the line's own delay."""
        self._is_limited = True
        """False once the terminal has shown that it doesn't answer."""

    def free_bytes(self) -> int | None:
        """Return how many bytes may be sent now; None means any number."""
        self._give_up_late_answers()
        if not self._is_limited:
            return None
        return max(0, int(self._window) - (self._sent - self._read))

    @property
    def is_waiting(self) -> bool:
        """True while the terminal owes an answer."""
        return bool(self._questions)

    @property
    def patience(self) -> float | None:
        """Seconds until the next answer is late, None if none is awaited."""
        if not self._questions:
            return None
        return max(0.0, self._questions[0].asked + _PATIENCE_SECONDS - self._clock())

    def sent(self, size: int) -> str:
        """Count bytes that are being sent. Returns what has to follow them: a question, or
        nothing."""
        self._sent += size
        is_first = self._asked == 0  # little is on its way: the answer tells the line's own delay
        if not self._is_limited or (self._sent - self._asked < self._window / 4 and not is_first):
            return ""
        is_full = self._sent - self._read > self._window / 2
        self._questions.append(_Question(self._clock(), self._sent, is_full))
        self._asked = self._sent
        return QUESTION

    def answered(self) -> None:
        """Called when the terminal has answered."""
        if not self._questions:
            return
        question = self._questions.popleft()
        self._read = question.sent
        delay = self._clock() - question.asked
        self._shortest = min(self._shortest, delay)
        waiting = delay - self._shortest
        if waiting > _TARGET_SECONDS:
            smaller = max(_SMALLEST_WINDOW, self._window * _TARGET_SECONDS / waiting)
            self._window = max(smaller, self._window / 8)
        elif question.is_full and waiting < _TARGET_SECONDS / 2:
            self._window = min(_LARGEST_WINDOW, self._window * 2)

    def _give_up_late_answers(self) -> None:
        if self.patience == 0:
            self._is_limited = self._shortest < float("inf")
            self._questions.clear()
            self._read = self._asked = self._sent
