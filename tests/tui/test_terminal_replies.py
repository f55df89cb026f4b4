"""Replies of the terminal that come late, in parts, or unasked: they are never keys or text."""

from __future__ import annotations

import itertools
import random
import string
import time
from pathlib import Path

import pytest
from textual import events

from sdtui.tui.terminal.driver import InputParser
from tests.support.terminal import SCRIPTED, Terminal
from tests.support.terminal_keys import CTRL_Q

ST, BEL = "\x1b\\", "\x07"
STRINGS = [
    "\x1b]10;rgb:ffff/ffff/ffff",
    "\x1b]11;rgb:1515/1616/1e1e",
    "\x1b]4;1;rgb:cdcd/0000/0000",
    "\x1b]52;c;YSBjYXQ=",
    "\x1b]99;i=sdtui:p=?;a=report",
    "\x1bP1+r524742=38",
    "\x1bP0+r5463",
    "\x1bP1$r0;48:2::1:2:3m",
    "\x1bP1$r2 q",
    "\x1bP>|XTerm(388)",
    "\x1bP!|00000000",
    "\x1bP0!u%5",
    "\x1b_Gi=31;OK",
    "\x1b_Gi=31,p=2;ENOTSUPPORTED:no pictures: here",
]
SEQUENCES = [
    "\x1b[?62;4;22c",
    "\x1b[?64;1;2;6;9;15;16;17;18;21;22;28;29;42;52c",
    "\x1b[>41;388;0c",
    "\x1b[=0;1c",
    "\x1b[?0u",
    "\x1b[?31u",
    "\x1b[12;40R",
    "\x1b[?12;40R",
    "\x1b[4;720;1200t",
    "\x1b[6;20;10t",
    "\x1b[8;36;120t",
    "\x1b[?2026;2$y",
    "\x1b[?1016;0$y",
    "\x1b[4;2$y",
    "\x1b[?997;1n",
    "\x1b[>4;2m",
]
REPLIES = [*SEQUENCES, *(text + end for text in STRINGS for end in (ST, BEL, "\x9c"))]
LETTERS_OF_C1 = {"[": "\x9b", "]": "\x9d", "P": "\x90", "_": "\x9f"}


class Input:
    """What a parser makes of input that comes in parts, at times of a clock of its own."""

    def __init__(self) -> None:
        self.time = 0.0
        self._parser = InputParser(lambda: self.time)
        self.typed: list[str] = []

    def send(self, text: str, then_wait: float = 0.0) -> None:
        """Receive a text, and then nothing for some seconds."""
        self._take(self._parser.feed(text))
        end = self.time + then_wait
        while self.time < end:
            self.time = min(end, self.time + max(0.1, (end - self.time) / 8))
            self._take(self._parser.tick())

    def _take(self, messages: object) -> None:
        assert hasattr(messages, "__iter__")
        for message in messages:
            if isinstance(message, events.Key):
                self.typed.append(message.key)
            elif isinstance(message, events.Paste):
                self.typed.append(f"pasted {message.text}")


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.3, 2.5, 20.0])
@pytest.mark.parametrize("reply", REPLIES)
def test_reply_cut_anywhere_is_no_key(reply: str, pause: float) -> None:
    for cut in range(2, len(reply)):
        received = Input()
        received.send("a" + reply[:cut], pause)
        received.send(reply[cut:] + "b", 60)
        if cut == 2 and pause > 1:
            assert received.typed.pop(1).startswith("alt+")
        assert received.typed == ["a", "b"], cut


@pytest.mark.parametrize("pause", [0.3, 2.5, 20.0, 3600.0])
@pytest.mark.parametrize("reply", REPLIES)
def test_of_a_reply_cut_behind_its_escape_only_that_is_a_key(reply: str, pause: float) -> None:
    received = Input()
    received.send(reply[0], pause)
    received.send(reply[1:], 60)
    assert received.typed == ["escape"]


@pytest.mark.parametrize("sequence", ["\x1b[I", "\x1b[O", "\x1b[A", "\x1b[3~", "\x1bOP"])
@pytest.mark.parametrize("pause", [0.3, 20.0])
def test_rest_of_a_key_or_of_a_report_of_the_focus_is_no_text(sequence: str, pause: float) -> None:
    received = Input()
    received.send(sequence[0], pause)
    received.send(sequence[1:] + "\x1b[3~", pause)
    received.send("x", 1)
    assert received.typed == ["escape", "delete", "x"]


@pytest.mark.parametrize("pause", [0.0, 0.09, 0.5])
@pytest.mark.parametrize("reply", REPLIES)
def test_reply_letter_by_letter_is_no_text(reply: str, pause: float) -> None:
    received = Input()
    for letter in reply:
        received.send(letter, pause)
    received.send("b", 60)
    assert [key for key in received.typed if key != "escape"] == ["b"]


@pytest.mark.parametrize("reply", REPLIES)
def test_replies_of_8_bits(reply: str) -> None:
    short = LETTERS_OF_C1[reply[1]] + reply[2:].replace(ST, "\x9c")
    for cut in range(1, len(short)):
        received = Input()
        received.send("a" + short[:cut], 0.5)
        received.send(short[cut:] + "b", 60)
        assert received.typed == ["a", "b"]


def test_many_replies_in_random_parts_with_keys_between() -> None:
    chance = random.Random(7)
    for _ in range(300):
        typed = chance.sample(string.ascii_lowercase, 5)
        replies = chance.sample(REPLIES, 5)
        sent = "".join(itertools.chain.from_iterable(zip(typed, replies, strict=True)))
        received = Input()
        while sent:
            cut = chance.randint(1, 12)
            if sent[cut - 1 : cut] == "\x1b":
                cut += 2
            received.send(sent[:cut], chance.choice([0.0, 0.05, 0.9]))
            sent = sent[cut:]
        received.send("", 60)
        assert received.typed == typed


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("\x1b]", ["alt+right_square_bracket"]),
        ("\x1bP", ["alt+shift+p"]),
        ("\x1b_", ["alt+underscore"]),
        ("\x1bX", ["alt+shift+x"]),
        ("\x1b^", ["alt+circumflex_accent"]),
        ("\x1b[", ["alt+left_square_bracket"]),
        ("\x1bO", ["alt+shift+o"]),
        ("\x1b]1", ["alt+right_square_bracket", "1"]),
        ("\x1bP1", ["alt+shift+p", "1"]),
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.5, 10.0])
def test_keys_with_alt_that_begin_like_a_reply(typed: str, keys: list[str], pause: float) -> None:
    received = Input()
    received.send(typed, pause)
    for letter in "girl":
        received.send(letter, 0.12)
    received.send("\r", 0.2)
    assert received.typed == [*keys, *"girl", "enter"]


@pytest.mark.parametrize("begun", ["\x1b]11;rgb:", "\x1bP1+r52", "\x1b_Gi=3", "\x1b[?62;"])
def test_reply_that_never_ends_does_not_take_the_keys(begun: str) -> None:
    received = Input()
    received.send(begun)
    received.send("\r", 0.2)
    received.send("cat\x1b[A", 0.2)
    assert received.typed == ["enter", *"cat", "up"]
    received = Input()
    received.send(begun, 40)
    received.send("cat", 0.2)
    assert received.typed == [*"cat"]


@pytest.mark.parametrize("sequence", ["\x1b[A", "\x1b[1;5C", "\x1b[3~", "\x1bOP", "\x1b[15;2~"])
def test_key_cut_by_a_slow_line_is_that_key(sequence: str) -> None:
    whole = Input()
    whole.send(sequence)
    for cut in range(2, len(sequence)):
        received = Input()
        received.send(sequence[:cut], 0.08)
        received.send(sequence[cut:])
        assert received.typed == whole.typed


def test_escape_is_a_key_within_the_usual_delay() -> None:
    received = Input()
    received.send("\x1b", 0.21)
    assert received.typed == ["escape"]
    for letter in "[cat|dog], Portrait":
        received.send(letter, 0.15)
    assert len(received.typed) == 1 + len("[cat|dog], Portrait")


def test_unknown_sequences_are_no_text() -> None:
    chance = random.Random(3)
    for _ in range(2000):
        numbers = ";".join(str(chance.choice([0, 1, 7, 200, 55296, 10**9])) for _ in range(3))
        marker, last = (
            chance.choice(["", "?", ">", "=", "<"]),
            chance.choice("bcdghijklmnopqrstvwxyz"),
        )
        received = Input()
        received.send(f"\x1b[{marker}{numbers}{last}x", 1)
        assert received.typed == ["x"]


def test_numbers_beyond_unicode_are_no_keys() -> None:
    received = Input()
    received.send("\x1b[1114112u\x1b[99999999999;5u\x1b[55296ux")
    assert received.typed == ["x"]


def test_replies_in_a_paste_stay_text() -> None:
    text = "".join(REPLIES)
    received = Input()
    for part in ("\x1b[200~" + text + "\x1b[201~").split("1"):
        received.send(part, 0.5)
        received.send("1")
    assert received.typed[0] == f"pasted {text}"
    assert len(received.typed) == 2


def test_late_replies_press_no_key_in_the_app(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path)
    terminal.until("Keys")
    terminal.send("a cat")
    for reply in (*STRINGS, "\x1b[?62;4c", "\x1b[?2026;1$y"):
        whole = reply + (BEL if reply in STRINGS else "")
        for part in (whole[:3], whole[3:7], whole[7:]):
            terminal.send(part)
            time.sleep(0.02)
    terminal.process.send(b"\x9d11;rgb:ff/ff/ff\x9c\x9b?62c")
    terminal.send(" sits")
    terminal.until("│ a cat sits ")
    terminal.until("No pictures yet.")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_number_of_thousands_of_digits_is_no_key() -> None:
    assert list(InputParser().feed(f"\x1b[{'1' * 5000}m")) == []
