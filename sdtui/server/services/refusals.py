"""Log refused requests with the client's address, for audits and for programs such as fail2ban."""

from __future__ import annotations

import logging
import time
from typing import Any

_log = logging.getLogger(__name__)
_MOST_ADDRESSES = 1000


class _Allowance:
    """A number of lines that grows again with time."""

    def __init__(self, most: int, seconds: float) -> None:
        """`most` lines at once; then one more each `seconds`."""
        self._most = most
        self._seconds = seconds
        self._left = float(most)
        self._updated = time.monotonic()

    def take(self) -> bool:
        """Use one line; returns False if none is left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._updated) / self._seconds)
        self._updated = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class RefusalLog:
    """Logs at most five lines at once for an address and status, then one a minute; for all sixty,
    then two a minute. So no client can fill the log, which has a limited size."""

    def __init__(self) -> None:
        self._all = _Allowance(60, 30.0)
        self._each: dict[tuple[int, str], _Allowance] = {}
        self._left_out = 0
        self._reports = _Allowance(1, 60.0)

    def note(self, status: int, address: str, reason: str) -> None:
        """Log a refused request, or count it if there were too many."""
        own = self._each.pop((status, address), None) or _Allowance(5, 60.0)
        self._each[status, address] = own  # the last one now
        if len(self._each) > _MOST_ADDRESSES:
            del self._each[next(iter(self._each))]
        if own.take() and self._all.take():
            _log.warning("refused %d from %s: %s", status, address, reason)
        else:
            self._left_out += 1

    def report_left_out(self) -> None:
        """Log how many lines were left out, at most once a minute."""
        if self._left_out and self._reports.take():
            _log.warning("refused requests that are left out: %d", self._left_out)
            self._left_out = 0


class ConnectionLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of a connection, whose warnings are about malformed requests."""

    def __init__(self, logger: logging.Logger, refusals: RefusalLog, address: str) -> None:
        super().__init__(logger)
        self._refusals = refusals
        self._address = address

    @property
    def level(self) -> int:
        """The level of the logger, which uvicorn reads."""
        return self.logger.level

    def log(self, level: int, msg: object, *args: object, **options: Any) -> None:
        """Send warnings to the log of refusals."""
        if level == logging.WARNING:
            self._refusals.note(400, self._address, str(msg))
        else:
            super().log(level, msg, *args, **options)
