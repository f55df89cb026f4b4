"""Which of the fields without effect a client should hear of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdtui.core.text import shortened

_MOST_NAMED = 50
"""Most names in an answer; a body may have 1,000 fields."""
_EMPTY: tuple[object, ...] = (None, False, 0, "", "None", [], {})


@dataclass(frozen=True)
class IgnoredFields:
    """What an API's clients may send without asking for another picture."""

    harmless: frozenset[str]
    """Fields that change no pixel, or none without another one that is refused or named itself."""
    defaults: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    """What the API takes, or its clients send, where nothing was chosen, beside empty values."""

    def named(self, fields: Mapping[str, object]) -> list[str]:
        """Return the names of those of these fields that ask for another picture."""
        names = [name for name, value in fields.items() if self._asks(name, value)]
        return [shortened(name) for name in names[:_MOST_NAMED]]

    def _asks(self, name: str, value: object) -> bool:
        is_usual = value in _EMPTY or value in self.defaults.get(name, ())
        return not is_usual and name not in self.harmless
