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
    """Logs at most five lines at once for an address, then one a minute; for all addresses sixty,
    then two a minute. So no client can fill the log, which has a limited size."""

    def __init__(self) -> None:
        self._all = _Allowance(60, 30.0)
        self._addresses: dict[str, _Allowance] = {}
        self._left_out = 0

    def note(self, status: int, address: str, reason: str) -> None:
        """Log a refused request, or count it if there were too many."""
        of_address = self._addresses.pop(address, None) or _Allowance(5, 60.0)
        self._addresses[address] = of_address  # the last one now
        if len(self._addresses) > _MOST_ADDRESSES:
            del self._addresses[next(iter(self._addresses))]
        if not (of_address.take() and self._all.take()):
            self._left_out += 1
            return
        more = f" ({self._left_out} like it were left out)" if self._left_out else ""
        self._left_out = 0
        _log.warning("refused %d from %s: %s%s", status, address, reason, more)


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
