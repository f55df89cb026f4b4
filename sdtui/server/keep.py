"""How long the server keeps pictures: the values of `--keep`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdtui.core.errors import SettingsError

_RULE = re.compile(r"(\d{1,6})\s*(d|GiB)", re.ASCII | re.IGNORECASE)
_GIB = 2**30


@dataclass(frozen=True)
class Keep:
    """Which pictures are kept. Without limits, all."""

    days: int | None = None
    """Days after which a picture is deleted; 0 = pictures aren't kept at all."""
    size: int | None = None
    """Bytes of all pictures; beyond that the oldest are deleted."""

    @property
    def is_nothing(self) -> bool:
        """True if pictures are only sent and not kept."""
        return self.days == 0


def parse_keep(texts: tuple[str, ...]) -> Keep:
    """Parse values such as "30d" and "20GiB", which count together, or "none". Raises
    SettingsError."""
    if texts == ("none",):
        return Keep(days=0)
    days = size = None
    for text in texts:
        found = _RULE.fullmatch(text)
        if found is None or int(found[1]) == 0:
            raise SettingsError(
                f'"{text}" doesn\'t say how long pictures are kept',
                "Give none, days like 30d, or a size like 20GiB with --keep",
            )
        if found[2].lower() == "d":
            days = int(found[1])
        else:
            size = int(found[1]) * _GIB
    return Keep(days, size)
