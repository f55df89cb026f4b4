"""Reading what the terminal sends."""

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
"""In the place of an escape in what is pasted; no text holds this character (Unicode 23.7)."""


_WITH_ALT = re.compile(r"\x1b[^\x1b\[\]OPX^_\\]")
"""A letter with alt, as every terminal sends it: what else begins with an escape has one of these
behind it (ECMA-48, 5.3)."""


class InputParser(KeyParser):
    """Makes keys and pastes of what the terminal sends. What is pasted stays one text, whatever
    stands in it: by itself Textual takes an escape sequence in it that it doesn't know, or one that
    is cut short, for keys that were pressed. And it knows a letter with alt only if a tenth of a
    second goes by behind it: what is typed more quickly, or arrives at once over a slow line, would
    become "^" and letters."""

    def __init__(self) -> None:
        super().__init__()
        self._pasting = False
        self._escape = ""
        """An escape, if that is what was fed last."""
        self._last = ""
        """What may be the beginning of _BEGIN; or of _END, and then it has not been looked at."""

    def feed(self, data: str) -> Iterator[Message]:
        """The messages that `data` completes; with "" those of what was left incomplete."""
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
                text, end, rest = (self._last + data).partition(_END)
                kept = 0 if end else _begun(text, _END)
                self._last = text[len(text) - kept :]
                text = text[: len(text) - kept]
                shielded += text.replace(_ESCAPE, _STAND_IN) + end
                self._pasting = not end
            else:
                seen = len(self._last)
                before, begin, rest = (self._last + data).partition(_BEGIN)
                shielded += (before + begin)[seen:]
                self._last = "" if begin else before[len(before) - _begun(before, _BEGIN) :]
                self._pasting = bool(begin)
            data = rest
        return shielded


def _begun(text: str, sequence: str) -> int:
    """How many characters at the end of `text` are the beginning of `sequence`."""
    lengths = range(len(sequence) - 1, 0, -1)
    return next((length for length in lengths if text.endswith(sequence[:length])), 0)


class TerminalDriver(LinuxDriver):
    """Textual's own, with our parser. Bytes that are no UTF-8 don't end it."""

    def run_input_thread(self) -> None:
        """Hand on what is typed until the app ends."""
        parser = InputParser()
        decoder = getincrementaldecoder("utf-8")("replace")
        ending = False
        while not ending:
            ending = self.exit_event.is_set()  # one look more, lest the shell gets what is left
            if select.select([self.fileno], [], [], 0.1)[0]:
                data = os.read(self.fileno, 4096)
                if not data:
                    return
                if text := decoder.decode(data):
                    self._hand_on(parser.feed(text))
            self._hand_on(parser.tick())

    def _hand_on(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
