"""Input from the terminal: keys and pastes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from textual import events

from sdtui.tui.terminal.driver import InputParser
from tests.support.terminal import Terminal

BEGIN, END = "\x1b[200~", "\x1b[201~"
EVIL = [
    "\x1b[31mred\x1b[0m \x1b]0;owned\x07 [[blurry]], [/red] (cat:1.2)",
    "\x1b]2;x ddd nice picture that is far longer than any sequence of the terminal",
    "\x1b[31m d",
    "\x9b31m \x9d0;owned\x9c d",
    "\x1b",
    "ends in \x1b[20",
    "\x1b[201 \x1b[200~\x11",
    "é 猫 \x1b\x1b\x1b",
]


def messages(text: str, length: int) -> list[object]:
    """Return the messages for a text that arrives in chunks of this many characters."""
    parser = InputParser()
    pieces = [text[at : at + length] for at in range(0, len(text), length)]
    return [message for piece in pieces for message in parser.feed(piece)]


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 1000])
@pytest.mark.parametrize("text", EVIL)
def test_paste_is_one_text(text: str, length: int) -> None:
    before, pasted, after = messages(f"a{BEGIN}{text}{END}b", length)
    assert isinstance(pasted, events.Paste)
    assert pasted.text == text
    assert isinstance(before, events.Key)
    assert isinstance(after, events.Key)
    assert (before.key, after.key) == ("a", "b")


@pytest.mark.parametrize("length", [1, 4, 1000])
def test_keys_stay_keys(length: int) -> None:
    sent = messages("x\x1b[A\x1b[3~\x1bOQ\x07", length)
    keys = [message.key for message in sent if isinstance(message, events.Key)]
    assert keys == ["x", "up", "delete", "f2", "ctrl+g"]


@pytest.mark.parametrize("length", [1, 2, 3, 1000])
def test_a_letter_with_alt_is_known_however_quickly_more_is_typed(length: int) -> None:
    sent = messages(f"\x1baa \x1b0\x1b[1;3C\x1b\x7fx\x1b\x1bbz{BEGIN}\x1by{END}\x1by", length)
    keys = [message.key for message in sent if isinstance(message, events.Key)]
    assert keys[:4] == ["alt+a", "a", "space", "alt+0"]
    assert keys[4:] == ["alt+right", "ctrl+w", "x", "escape", "ctrl+left", "z", "alt+y"]


def test_alt_keys_are_not_text() -> None:
    parser = InputParser()
    assert not list(parser.feed("\x1bO"))  # more may come, as of F1
    time.sleep(0.15)
    (late,) = parser.tick()
    assert isinstance(late, events.Key)
    assert (late.key, late.is_printable) == ("alt+shift+o", False)


def test_alt_a_takes_the_whole_prompt(tmp_path: Path) -> None:
    terminal = Terminal(("-m", "tests.support.scripted_app"), tmp_path)
    terminal.until("Keys")
    terminal.send("a dog")
    terminal.until("│ a dog ")
    terminal.send("\x1baa cat\x1b5\x1bz")
    terminal.until("│ a cat ")
    terminal.watch(0.3)
    assert "│ a cat  " in terminal.text
    terminal.kill()


def test_two_pastes_with_nothing_between() -> None:
    sent = messages(f"{BEGIN}one{END}{BEGIN}two{END}z", 4)
    texts = [message.text for message in sent if isinstance(message, events.Paste)]
    assert texts == ["one", "two"]


def test_a_real_terminal_pastes_text_and_no_keys(tmp_path: Path) -> None:
    terminal = Terminal(("-m", "tests.support.scripted_app"), tmp_path)
    terminal.until("Keys")
    terminal.send(f"{BEGIN}{EVIL[0]}{END} and more \xff")
    terminal.process.send(b"\xff\xfe still")
    terminal.until("still")
    for part in ("[31mred", "owned", "[[blurry]]", "[/red]", "(cat:1.2)"):
        assert part in terminal.text
    terminal.until("No pictures yet.")
    terminal.kill()


def test_long_text_without_marks_is_pasted() -> None:
    text = "a cat sits on the mat, " * 50
    sent = messages(f"ab\t{text}\r\tcat\x07", 1000)
    kinds = [message.key if isinstance(message, events.Key) else "paste" for message in sent]
    assert kinds == ["a", "b", "tab", "paste", "paste", "enter", "tab", "c", "a", "t", "ctrl+g"]


def test_lines_without_marks_are_one_paste_and_press_no_enter() -> None:
    lines = "\r".join(["red", "green", "", "blue"] * 9)
    pasted, enter = messages(lines + "\r", 1000)
    assert isinstance(pasted, events.Paste)
    assert pasted.text == lines
    assert isinstance(enter, events.Key)
    assert enter.key == "enter"


@pytest.mark.parametrize("early", [True, False])
def test_thousands_of_letters_at_once_are_all_there(tmp_path: Path, early: bool) -> None:
    terminal = Terminal(("-m", "tests.support.scripted_app"), tmp_path)
    text = "a cat sits on the mat, " * 130 + "the end"
    if early:
        terminal.until(lambda: b"\x1b[" in terminal.sent or terminal.read())
    else:
        terminal.until("Keys")
    terminal.send(text)
    terminal.until("the end")
    terminal.send("\x11")
    assert terminal.ended() == 0
    state = json.loads((tmp_path / "STATE" / "sdtui" / "tui.json").read_text())
    assert state["form"]["prompt"] == text
