"""Splitting a terminal's input into text, keys and pastes, without the replies to queries."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

_ESCAPE = "\x1b"
_PASTE_BEGIN, _PASTE_END = "\x1b[200~", "\x1b[201~"
_BEGIN = re.compile("[\x1b\x8f\x90\x98\x9b\x9d\x9e\x9f]")
"""An escape, or one of the controls that stand for an escape and a letter (ECMA-48, 5.3)."""

_BODY = r"[^\x00-\x1f\x7f\x9c]*"
_STRING_END = r"(?:\x1b\\|\x9c)"
_REPLY_STRING = rf"(?:\][0-9]+;|P[0-9;]*[$+!>][a-z|~]|_G[a-zA-Z]=){_BODY}"
"""A control string as terminals send it: OSC with a number, DCS with one of the characters that
replies have (XTGETTCAP, DECRQSS, XTVERSION, DA3 …), APC of Kitty's graphics."""
_REPLY_CSI = r"\[(?:[<=>?][0-9:;]*|[0-9:]+;[0-9:;]*)[ -/]*"
"""A control sequence that nobody types after an escape: private, or with several parameters."""

_COMPLETE = re.compile(
    rf"""\x1b(?:
        \[\[.                               # function keys of the Linux console
        | \[M...                            # X10's mouse reports
        | \[[0-9]{{1,2}}\$                  # rxvt's keys with shift
        | \[(?![\[M])[0-?]*[\ -/]*[@-~]     # control sequences
        | O[^\x00-\x1f]                     # keys of a keypad, and F1 to F4
        | {_REPLY_STRING}\x07               # xterm ends strings in the way that they were begun
        | [\]PX^_]{_BODY}{_STRING_END}
        | [^\x1b\[\]P_O]                    # a letter with alt
    )""",
    re.VERBOSE | re.DOTALL,
)
_STRINGS = "]PX^_"
_REPLY = re.compile(rf"\x1b(?:{_REPLY_CSI}[@-~]|{_REPLY_STRING}(?:\x07|{_STRING_END}))")
_REPLY_PART = re.compile(rf"\x1b(?:{_REPLY_CSI}|{_REPLY_STRING})")
_SHORT = re.compile(r"\x1b(?:\[(?:[A-DFHIOZ]|[0-9]{1,2}[~^$@])|O[A-DFHP-S])(?=\x1b|$)")
"""A report of the focus, or a key. Nobody types its rest at once."""
_DOUBTFUL = re.compile(
    r"\x1b(?:\[(?:[0-9:]*|M.{0,2}|\[)|\][0-9]*|P[0-9;]*[$+!>]?|_(?:G[a-zA-Z]?)?|O|)", re.DOTALL
)
"""What may become a sequence or a reply, but also a key with alt and what was typed next."""

_PREFIX_SECONDS = 1.0
"""How long an escape and one more character wait for the rest."""
_PART_SECONDS = 30.0
"""How long a longer part waits: a slow or lost connection may cut a reply anywhere. Any key that
can't be its rest ends it at once."""


class Kind(Enum):
    """What a piece of input is."""

    TEXT = auto()
    """Typed characters, and control characters other than escape."""
    KEY = auto()
    """The escape key, or a character typed with alt: an escape and the character."""
    SEQUENCE = auto()
    """A control sequence: a key, the mouse, or a report."""
    PASTE = auto()
    """A pasted text, whatever it contains."""


@dataclass(frozen=True)
class Piece:
    """A piece of input. `interrupted` is True if it came in several parts."""

    kind: Kind
    text: str
    interrupted: bool = False


class SequenceReader:
    """Splits input wherever it was cut on its way. Replies of the terminal are left out: control
    strings here, control sequences by those who read the pieces and don't know them.

    An escape is a key of its own, or begins a sequence. If nothing follows, it is yielded as a key;
    what follows later is still left out if only a terminal can have sent it.
    """

    def __init__(self, escape_delay: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`escape_delay` is how many seconds an escape waits for the rest of its sequence."""
        self._escape_delay = escape_delay
        self._clock = clock
        self._held = ""
        """The end of the input so far, which may be the beginning of a sequence."""
        self._yielded = ""
        """The beginning of that sequence, if it was yielded as keys, or given up, already."""
        self._received = 0.0
        self._whole_from = 0.0
        """When only the whole rest of `_yielded` is taken for its rest."""
        self._pasted: list[str] | None = None

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield the pieces that `text` completes."""
        self._received = self._clock()
        interrupted, buffer = bool(self._held), self._held + text
        self._held = ""
        while buffer:
            if self._pasted is not None:
                buffer, pieces = self._paste(buffer, self._pasted)
            elif self._yielded:
                buffer, pieces = self._rest(buffer, interrupted), []
            else:
                buffer, pieces = self._next(buffer, interrupted)
                interrupted = interrupted and not pieces
            yield from pieces

    def tick(self) -> Iterator[Piece]:
        """Yield as keys what has waited too long for its rest. To be called regularly."""
        if not self._held or self._pasted is not None:
            return
        sequence, now = self._yielded + self._held, self._clock()
        if now < self._received + self._wait(sequence):
            return
        if not _REPLY_PART.match(sequence):
            yield from [Piece(Kind.TEXT, self._held)] if self._yielded else _typed(self._held)
            self._whole_from = now + self._wait(f"{sequence}[")
        elif sequence[1] not in _STRINGS:  # any letter would end it
            sequence = ""
        self._yielded, self._held = sequence, ""

    def _wait(self, sequence: str) -> float:
        """Return how many seconds after the last input a sequence may still go on."""
        if sequence in (_ESCAPE, "\x1bO"):
            return self._escape_delay
        return _PREFIX_SECONDS if len(sequence) == len("\x1b[") else _PART_SECONDS

    def _next(self, buffer: str, interrupted: bool) -> tuple[str, list[Piece]]:
        """Return what remains after the first piece, and the piece, if it isn't left out."""
        begin = _BEGIN.search(buffer)
        if begin is None:
            return "", [Piece(Kind.TEXT, buffer)]
        if at := begin.start():
            return buffer[at:], [Piece(Kind.TEXT, buffer[:at])]
        if buffer[0] != _ESCAPE:
            buffer = _ESCAPE + chr(ord(buffer[0]) - 0x40) + buffer[1:]
        if buffer.startswith(_PASTE_BEGIN):
            self._pasted = []
            return buffer[len(_PASTE_BEGIN) :], []
        if complete := _COMPLETE.match(buffer):
            sequence = complete.group()
            return buffer[complete.end() :], _pieces(sequence, interrupted)
        if _may_go_on(buffer):
            self._held = buffer
            return "", []
        if part := _REPLY_PART.match(buffer):  # broken off by another key
            return buffer[part.end() :], []
        typed = _DOUBTFUL.match(buffer)
        assert typed is not None  # it matches an escape
        return buffer[typed.end() :], _typed(typed.group())

    def _rest(self, buffer: str, interrupted: bool) -> str:
        """Return what remains of the input after the rest of a sequence that has been yielded."""
        before, self._yielded = self._yielded, ""
        sequence = before + buffer
        if sequence.startswith(_PASTE_BEGIN):
            self._pasted = []
            return sequence[len(_PASTE_BEGIN) :]
        if reply := _REPLY.match(sequence):
            return sequence[reply.end() :]
        if (short := _SHORT.match(sequence)) and not interrupted:
            return sequence[short.end() :]
        if self._received < self._whole_from and _may_go_on(sequence):
            self._held, self._yielded = buffer, before
            self._whole_from = self._received + self._wait(sequence)
            return ""
        return buffer

    def _paste(self, buffer: str, pasted: list[str]) -> tuple[str, list[Piece]]:
        text, end, remaining = buffer.partition(_PASTE_END)
        if end:
            self._pasted = None
            return remaining, [Piece(Kind.PASTE, "".join((*pasted, text)))]
        lengths = range(len(_PASTE_END) - 1, 0, -1)
        held = next((length for length in lengths if text.endswith(_PASTE_END[:length])), 0)
        pasted.append(text[: len(text) - held])
        self._held = text[len(text) - held :]
        return "", []


def _may_go_on(sequence: str) -> bool:
    """True if the input may go on as a sequence or a reply."""
    part = _REPLY_PART.match(sequence)
    if part and part.end() < len(sequence):  # perhaps half of the end of a string
        return sequence[part.end() :] == _ESCAPE and sequence[1] in _STRINGS
    return part is not None or _DOUBTFUL.fullmatch(sequence) is not None


def _pieces(sequence: str, interrupted: bool) -> list[Piece]:
    """Return the piece of a complete sequence, or none for a control string."""
    if len(sequence) == 2:
        return [Piece(Kind.KEY, sequence)]
    if sequence[1] in _STRINGS:
        return []
    return [Piece(Kind.SEQUENCE, sequence, interrupted)]


def _typed(sequence: str) -> list[Piece]:
    """Return a sequence as the keys that a user would have pressed to send it."""
    key, text = sequence[:2], sequence[2:]
    return [Piece(Kind.KEY, key), *([Piece(Kind.TEXT, text)] if text else [])]
