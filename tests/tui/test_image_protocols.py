"""Finished pictures drawn with the terminal's image protocol."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path

import pyte
import pytest
from PIL import Image
from textual.events import Key
from textual.widget import Widget

from sdtui.core.enums import Colours, ImageProtocol
from sdtui.tui.terminal.colours import colours_after_asking, colours_before_asking
from sdtui.tui.terminal.driver import InputParser
from sdtui.tui.terminal.image_protocol import picture_widget
from sdtui.tui.terminal.probe import TerminalCapabilities, capabilities_in
from tests.support.terminal import AUTO, KITTY, SCRIPTED, SIXEL, Terminal

pytestmark = pytest.mark.slow

PLACEHOLDER = "\U0010eeee"
CTRL_G, CTRL_Q, F1, F2, F3, F6 = "\x07", "\x11", "\x1bOP", "\x1bOQ", "\x1bOR", "\x1b[17~"
_SENT = re.compile(
    rb"\x1b_Ga=T,U=1,f=100,q=2,i=(\d+),c=(\d+),r=(\d+),m=(\d);(.*?)\x1b\\", re.DOTALL
)
_SIXELS = re.compile(rb"\x1bP[\d;]*q.*?\x1b\\", re.DOTALL)


def test_kitty_gets_a_picture_once_and_never_sees_it_under_a_dialog(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, (80, 24), AUTO, KITTY)
    terminal.until("Quit")
    terminal.send("a cat" + CTRL_G)
    terminal.until(PLACEHOLDER)
    terminal.watch(0.5)  # the rest of the frame
    sent = _SENT.findall(bytes(terminal.sent))
    assert len(sent) == 1
    number, columns, rows, more, data = sent[0]
    assert more == b"0"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.convert("RGB").getpixel((0, 0)) == (0, 0, 128)  # navy
    lines = [line for line in terminal.text.splitlines() if PLACEHOLDER in line]
    assert len(lines) == int(rows)
    assert {line.count(PLACEHOLDER) for line in lines} == {int(columns)}
    red, green, blue = int(number).to_bytes(3, "big")
    assert b"38;2;%d;%d;%d" % (red, green, blue) in terminal.sent

    terminal.send(F1)
    terminal.until(lambda: PLACEHOLDER not in terminal.text and "▀" in terminal.text)
    terminal.send("\x1b")
    terminal.until(lambda: PLACEHOLDER in terminal.text and "▀" not in terminal.text)
    terminal.send(F3)
    terminal.until(lambda: PLACEHOLDER not in terminal.text)
    assert len(_SENT.findall(bytes(terminal.sent))) == 1

    terminal.send(F2)
    terminal.resize(100, 30)
    terminal.until(lambda: len(_SENT.findall(bytes(terminal.sent))) == 2)
    assert b"\x1b_Ga=d,d=I,q=2,i=%s;" % number in terminal.sent
    number, columns, rows, _, _ = _SENT.findall(bytes(terminal.sent))[1]
    terminal.until(lambda: terminal.text.count(PLACEHOLDER) == int(columns) * int(rows))
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert b"\x1b_Ga=d,d=I,q=2,i=%d;" % int(number) in terminal.sent


def with_sixels(home: Path) -> Terminal:
    """The app with a picture that was sent as Sixels."""
    terminal = Terminal(SCRIPTED, home, (80, 24), AUTO, SIXEL)
    terminal.until("Quit")
    terminal.send("a cat" + CTRL_G)
    terminal.until(lambda: _SIXELS.search(bytes(terminal.sent)))
    terminal.watch(1)
    terminal.sent.clear()
    return terminal


def test_sixels_are_not_sent_under_a_dialog(tmp_path: Path) -> None:
    terminal = with_sixels(tmp_path)
    terminal.send(F1)
    terminal.until("▀")
    terminal.watch(0.5)
    assert not _SIXELS.search(bytes(terminal.sent))
    terminal.send("\x1b")
    terminal.until(lambda: _SIXELS.search(bytes(terminal.sent)))
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


class Rows(pyte.Screen):
    """Counts scrolled lines."""

    moved = 0

    def index(self) -> None:
        """Move down by a line."""
        self.moved += self.cursor.y == self.lines - 1
        super().index()


def test_sixels_on_the_whole_screen_are_sent_once_and_move_nothing(tmp_path: Path) -> None:
    terminal = with_sixels(tmp_path)
    terminal.send(F6)
    terminal.until("esc back")
    terminal.until(lambda: _SIXELS.search(bytes(terminal.sent)))
    terminal.watch(1)
    rows = Rows(80, 24)
    pyte.ByteStream(rows).feed(_SIXELS.sub(b"", bytes(terminal.sent)))
    assert rows.moved == 0
    terminal.sent.clear()
    terminal.watch(2.5)  # the monitor looks twice
    assert not _SIXELS.search(bytes(terminal.sent))
    terminal.send("\x1b")
    terminal.until("Negative prompt")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="textual-image does so itself there")
def test_all_colours_of_a_picture_are_defined_before_the_first_is_used() -> None:
    from sdtui.tui.images.sixel import with_colours_first

    mixed = '\x1bP0;0;0q"1;1;9;6#1;2;85;96;97!9~$#0;2;9;8;7@@#1A-\x1b\\'
    assert with_colours_first(mixed) == (
        '\x1bP0;0;0q"1;1;9;6#1;2;85;96;97#0;2;9;8;7#1!9~$#0@@#1A-\x1b\\'
    )


@pytest.mark.parametrize("protocol", ["auto", "halfcell"])
def test_keys_typed_while_the_app_starts_are_in_the_prompt(tmp_path: Path, protocol: str) -> None:
    environment = {"SDTUI_IMAGE_PROTOCOL": protocol}
    terminal = Terminal(SCRIPTED, tmp_path, environment=environment, answer=KITTY)
    typed = "a cat, sitting at a window"
    for letter in typed:
        terminal.send(letter)
        terminal.watch(0.04)
    terminal.until("Quit")
    terminal.until(lambda: f"│ {typed} " in terminal.text)
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_keys_between_the_answers_do_no_harm() -> None:
    sent = InputParser().feed((b"ab" + KITTY + b"\r").decode())
    assert [each.key for each in sent if isinstance(each, Key)] == ["a", "b", "enter"]
    assert capabilities_in(b"ab" + KITTY + b"\r") == TerminalCapabilities(kitty=True, cell=(10, 20))
    assert capabilities_in(SIXEL).sixel
    assert capabilities_in(b"\x1b[?64;42c") == TerminalCapabilities()
    assert capabilities_in(b"") == TerminalCapabilities()


def widget_here(protocol: ImageProtocol, capabilities: TerminalCapabilities) -> type[Widget] | None:
    """Return the widget class for pictures in a terminal with the variables of this process."""
    choice = colours_before_asking(Colours.AUTO) or colours_after_asking(capabilities)
    return picture_widget(protocol, capabilities, choice.colours)


@pytest.mark.parametrize(
    "environment",
    [{"TMUX": "/tmp/tmux"}, {"NO_COLOR": "1"}, {"TERM_PROGRAM": "WarpTerminal"}, {"COLORTERM": ""}],
)
def test_kitty_only_where_placeholders_arrive(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMUX", "NO_COLOR", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    assert widget_here(ImageProtocol.AUTO, TerminalCapabilities(kitty=True)) is not None
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert widget_here(ImageProtocol.AUTO, TerminalCapabilities(kitty=True)) is None
    assert widget_here(ImageProtocol.KITTY, TerminalCapabilities()) is not None
