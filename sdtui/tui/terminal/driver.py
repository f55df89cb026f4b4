"""Reading the terminal's input."""

from __future__ import annotations

import os
import re
import select
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from sdtui.tui.textual_internals import KeyParser, is_written_with_alt

_BEGIN, _END = "\x1b[200~", "\x1b[201~"
_ESCAPE = "\x1b"
_STAND_IN = "\U0010fffe"
"""Replaces escapes in a paste; no text contains this character (Unicode 23.7)."""


_WITH_ALT = re.compile(r"\x1b[^\x1b\[\]OPX^_\\]")
"""A letter with alt, as every terminal sends it. In all other sequences one of the excluded
characters follows the escape (ECMA-48, 5.3)."""


class InputParser(KeyParser):
    """Parses what the terminal sends into keys and pastes. A paste stays one text, whatever it
    contains: Textual takes unknown or incomplete escape sequences in it for keys. And Textual
    recognises a letter with alt only if nothing follows for a tenth of a second: what is typed more
    quickly, or arrives at once over a slow line, would become "^" and letters."""

    def __init__(self) -> None:
        super().__init__()
        self._pasting = False
        self._escape = ""
        """An escape, if it was fed last."""
        self._last = ""
        """What may be the beginning of _BEGIN, or of _END, and then it has not been fed yet."""

    def feed(self, data: str) -> Iterator[Message]:
        """Yield the messages that `data` completes; with "" those of an incomplete sequence."""
        shielded = self._shielded(data)
        if data and not shielded:
            return
        for message in self._fed(shielded):
            if isinstance(message, events.Paste):
                message.text = message.text.replace(_STAND_IN, _ESCAPE)
            yield message

    def _fed(self, text: str) -> Iterator[Message]:
        begin, before = 0, len(self._escape)
        for letter in _WITH_ALT.finditer(self._escape + text):
            end = letter.end() - before
            yield from super().feed(text[begin:end])
            yield from self.end_sequence()
            begin = end
        if begin < len(text) or not text:
            yield from super().feed(text[begin:])
        self._escape = _ESCAPE if text.endswith(_ESCAPE) else ""

    def key_events(self, sequence: str, alt: bool) -> Iterator[events.Key]:
        """Yield Textual's keys, but alt with a digit is just that, and not the letter that a Mac
        writes with it; and a key with alt has no character, or editors would write it."""
        if is_written_with_alt(sequence):
            sequence, alt = sequence[1], True
        for event in super().key_events(sequence, alt):
            if event.key.startswith("alt+"):
                event.character = None
            yield event

    def _shielded(self, data: str) -> str:
        shielded = ""
        while data:
            if self._pasting:
                text, end, remaining = (self._last + data).partition(_END)
                held = 0 if end else _partial_length(text, _END)
                self._last = text[len(text) - held :]
                text = text[: len(text) - held]
                shielded += text.replace(_ESCAPE, _STAND_IN) + end
                self._pasting = not end
            else:
                fed = len(self._last)
                before, begin, remaining = (self._last + data).partition(_BEGIN)
                shielded += (before + begin)[fed:]
                self._last = (
                    "" if begin else before[len(before) - _partial_length(before, _BEGIN) :]
                )
                self._pasting = bool(begin)
            data = remaining
        return shielded


def _partial_length(text: str, sequence: str) -> int:
    """Return how many characters at the end of `text` are the beginning of `sequence`."""
    lengths = range(len(sequence) - 1, 0, -1)
    return next((length for length in lengths if text.endswith(sequence[:length])), 0)


class TerminalDriver(LinuxDriver):
    """Textual's driver with our parser. Bytes that aren't UTF-8 don't end it."""

    def run_input_thread(self) -> None:
        """Read and parse input until the app ends."""
        parser = InputParser()
        decoder = getincrementaldecoder("utf-8")("replace")
        ending = False
        while not ending:
            ending = self.exit_event.is_set()  # one more read, or the shell would get what is left
            if select.select([self.fileno], [], [], 0.1)[0]:
                data = os.read(self.fileno, 4096)
                if not data:
                    return
                if text := decoder.decode(data):
                    self._process(parser.feed(text))
            self._process(parser.tick())

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
