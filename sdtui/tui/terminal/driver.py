"""Reading the terminal's input."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from codecs import getincrementaldecoder, lookup
from collections.abc import Callable, Iterable, Iterator

from textual import events
from textual.constants import ESCAPE_DELAY
from textual.message import Message

from sdtui.tui.terminal import environment
from sdtui.tui.terminal.cell_writer import Abilities
from sdtui.tui.terminal.flow import ANSWER, Flow
from sdtui.tui.terminal.notifications import at_end
from sdtui.tui.terminal.probe import UNKNOWN_TERMINAL, TerminalCapabilities
from sdtui.tui.terminal.sequences import Kind, Piece, SequenceReader
from sdtui.tui.terminal.symbols import substitutes
from sdtui.tui.textual_internals.driver import AdaptableDriver
from sdtui.tui.textual_internals.parser import LONGEST_SEQUENCE, KeyParser, is_written_with_alt

_TITLE, _TITLE_BEFORE = "\x1b[22;2t\x1b]2;sdtui\x07", "\x1b[23;2t"
"""Keep the window's title and set another; give back the one that was kept (xterm)."""
_TOLERANCE, _TOLERANCE_OVER_SSH = (6, 4, 8), (10, 7, 14)
"""Of 255: how much red, green and blue in a picture may differ, if that is shorter to send: eyes
see green best and blue least. A picture of half-cells then takes less than half as many bytes, or
a third; the differences' root mean square is 2.1 and 3.7, in brightness 1.4 and 2.5."""
_CLEAR = "\x1b[0m\x1b[2J\x1b[H"
_NUMBER = re.compile(r"[0-9]+")
_SURROGATES = range(0xD800, 0xE000)
_TYPED = re.compile(r"\x1b\[[0-9:]*[^0-9:;nt]")
"""A control sequence that may also have been typed: alt and "[", digits, a letter."""
_PRINTED = r"[^\x00-\x1f\x7f-\x9f]"
_BURST = re.compile(rf"{_PRINTED}(?:{_PRINTED}|[\r\n]+(?={_PRINTED})){{63,}}")
"""Characters that came at once: pasted in a terminal that doesn't mark pastes, or doesn't yet."""
_BYTES = {0xDC00 + byte: chr(byte) if byte < 0xA0 else "\ufffd" for byte in range(0x80, 0x100)}
"""What bytes are that aren't UTF-8, by their surrogates: some terminals send the controls 80 to 9F
as single bytes."""


class InputParser(KeyParser):
    """Parses what the terminal sends into keys and pastes. A paste stays one text, whatever it
    contains, and replies of the terminal that nobody waits for are ignored: Textual takes both for
    keys, letter by letter, and letters with alt as well if more is typed at once."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        """`answered` is called when the terminal has answered the question of the output's flow."""
        super().__init__()
        self._answered = answered
        self._reader = SequenceReader(ESCAPE_DELAY, clock)

    def feed(self, data: str) -> Iterator[Message]:
        """Yield the messages that `data` completes."""
        for piece in self._reader.feed(data):
            yield from self._messages(piece)

    def tick(self) -> Iterator[Message]:
        """Yield the messages of what has waited too long for its rest."""
        for piece in self._reader.tick():
            yield from self._messages(piece)

    def _messages(self, piece: Piece) -> Iterator[Message]:
        match piece.kind:
            case Kind.TEXT:
                yield from self._of_text(piece.text)
            case Kind.PASTE:
                yield events.Paste(piece.text.replace("\0", ""))
            case Kind.KEY:
                yield from super().feed(piece.text)
                yield from self.end_sequence()
            case Kind.SEQUENCE if piece.text == ANSWER:
                self._answered()
            case Kind.SEQUENCE if _is_plausible(piece.text):
                yield from self._of_sequence(piece)

    def _of_text(self, text: str) -> Iterator[Message]:
        """Yield keys, and what nobody types so fast as pastes: a key takes milliseconds."""
        begin = 0
        for pasted in _BURST.finditer(text):
            if pasted.start() > begin:  # no text means the end of all input
                yield from super().feed(text[begin : pasted.start()])
            yield events.Paste(pasted.group())
            begin = pasted.end()
        if begin < len(text):
            yield from super().feed(text[begin:])

    def _of_sequence(self, piece: Piece) -> Iterator[Message]:
        """Yield the messages of a control sequence, none if Textual doesn't know it."""
        yield from super().feed(piece.text)
        if not self.is_inside_sequence:
            return
        for _ in self.end_sequence():
            pass
        if piece.text.startswith("\x1bO") or (piece.interrupted and _TYPED.fullmatch(piece.text)):
            yield from self._messages(Piece(Kind.KEY, piece.text[:2]))
            yield from self._messages(Piece(Kind.TEXT, piece.text[2:]))

    def key_events(self, sequence: str, alt: bool) -> Iterator[events.Key]:
        """Yield Textual's keys, but alt with a digit is just that, and not the letter that a Mac
        writes with it; and a key with alt has no character, or editors would write it."""
        if is_written_with_alt(sequence):
            sequence, alt = sequence[1], True
        for event in super().key_events(sequence, alt):
            if event.key.startswith("alt+"):
                yield events.Key(event.key, None)
            elif alt and event.is_printable:
                yield events.Key(f"alt+{event.key}", None)
            else:
                yield event


def _is_plausible(sequence: str) -> bool:
    """False for sequences that no terminal sends, and that Textual can't read."""
    return len(sequence) <= LONGEST_SEQUENCE and not any(
        number > sys.maxunicode or (number in _SURROGATES and sequence.endswith("u"))
        for number in map(int, _NUMBER.findall(sequence))
    )


class TerminalDriver(AdaptableDriver):
    """Textual's driver with our parser, a title, and characters that the terminal has. Bytes that
    aren't UTF-8 don't end it."""

    early_input = b""
    """What the terminal sent before the driver was started."""
    terminal = UNKNOWN_TERMINAL

    def start_application_mode(self) -> None:
        """Set the terminal up for the app."""
        self._substitutes = substitutes(self.encoding, environment.name())
        self._takes_strings = environment.takes_strings()
        super().start_application_mode()
        if self._takes_strings:
            self.write(_TITLE)

    def stop_application_mode(self) -> None:
        """Restore the terminal, and clear the screen where it has no other for the app."""
        self.stop_drawing()
        self.write(at_end(self.terminal))
        if self._takes_strings:
            self.write(_TITLE_BEFORE)
        self.write(_CLEAR)
        super().stop_application_mode()

    @property
    def abilities(self) -> Abilities:
        """What the terminal can do."""
        return Abilities(
            erases=environment.erases_in_colour(),
            links=environment.takes_strings(),
            tolerance=_TOLERANCE_OVER_SSH if environment.over_ssh() else _TOLERANCE,
        )

    def new_flow(self) -> Flow | None:
        """Limit what is on its way over SSH. Multiplexers answer at once, whatever is behind them,
        and have their own means for slow lines."""
        if not environment.over_ssh() or not environment.takes_strings():
            return None
        return None if environment.in_tmux() or environment.in_screen() else Flow()

    def write(self, data: str) -> None:
        """Send text to the terminal, without control strings that it might print (Textual's shapes
        of the pointer)."""
        if not data.startswith("\x1b]") or self._takes_strings:
            super().write(data)

    def send(self, text: str) -> None:
        """Hand text to the terminal, with substitutes for what it can't show."""
        table = self._substitutes
        super().send(text if table is None or text.isascii() else text.translate(table))

    def run_input_thread(self) -> None:
        """Read and parse input until the app ends."""
        parser = InputParser(answered=self.answered)
        decoder = getincrementaldecoder(_input_encoding())("surrogateescape")
        early, self.early_input = self.early_input, b""
        self._process(parser.feed(decoder.decode(early).translate(_BYTES)))
        ending = False
        while not ending:
            ending = self.exit_event.is_set()  # one more read, or the shell would get what is left
            if select.select([self.fileno], [], [], 0.1)[0]:
                data = os.read(self.fileno, 4096)
                if not data:
                    return
                if text := decoder.decode(data):
                    self._process(parser.feed(text.translate(_BYTES)))
            self._process(parser.tick())

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)


def _input_encoding() -> str:
    """Return the encoding of the terminal's input. Where only ASCII is known it is UTF-8: that is
    what terminals send if the locale is the fault."""
    encoding = sys.__stdin__.encoding if sys.__stdin__ else "utf-8"
    return "utf-8" if lookup(encoding).name == "ascii" else encoding


def terminal_driver(early_input: bytes, terminal: TerminalCapabilities) -> type[TerminalDriver]:
    """Return the driver for a terminal that has already sent `early_input`."""

    class DriverHere(TerminalDriver):
        pass

    DriverHere.early_input = early_input
    DriverHere.terminal = terminal
    return DriverHere
