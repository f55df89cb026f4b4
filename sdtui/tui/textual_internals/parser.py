"""Textual's parser of what a terminal sends."""

from __future__ import annotations

from collections.abc import Iterator

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import _MAX_SEQUENCE_SEARCH_THRESHOLD, XTermParser
from textual.message import Message

LONGEST_SEQUENCE = _MAX_SEQUENCE_SEARCH_THRESHOLD
"""Characters; Textual takes longer sequences for keys, letter by letter."""


class KeyParser(XTermParser):
    """Textual's parser of what a terminal sends."""

    @property
    def is_inside_sequence(self) -> bool:
        """True while the parser waits for the rest of a sequence."""
        return self._timeout_time is not None

    def end_sequence(self) -> Iterator[Message]:
        """Stop waiting for the rest of a sequence, and yield what it is without."""
        if self.is_inside_sequence:
            self._timeout_time = 0.0
            yield from XTermParser.tick(self)

    def key_events(self, sequence: str, alt: bool) -> Iterator[events.Key]:
        """Yield the keys of a sequence."""
        yield from super()._sequence_to_key_events(sequence, alt)

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterator[events.Key]:
        yield from self.key_events(sequence, alt)


def is_written_with_alt(sequence: str) -> bool:
    """True if Textual takes an escape and this digit or letter for what a Mac writes with alt."""
    return len(sequence) == 2 and isinstance(ANSI_SEQUENCES_KEYS.get(sequence), str)
