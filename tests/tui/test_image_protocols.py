"""Finished pictures drawn with the terminal's image protocol."""

from __future__ import annotations

import base64
import fcntl
import io
import os
import re
import struct
import termios
from pathlib import Path

import pyte
import pytest
from PIL import Image, ImageChops
from textual.events import Key
from textual.widget import Widget

from sdtui.core.enums import Colours, ImageProtocol
from sdtui.tui.images.kitty import KittyPicture
from sdtui.tui.images.sixel_encoding import sixels, with_palette
from sdtui.tui.terminal.colours import colours_after_asking, colours_before_asking
from sdtui.tui.terminal.driver import InputParser
from sdtui.tui.terminal.image_protocol import picture_widget, protocol_here
from sdtui.tui.terminal.probe import TerminalCapabilities, TerminalProbe, capabilities_in
from sdtui.tui.terminal.raster import MARK
from tests.support.terminal import AUTO, KITTY, SCRIPTED, SIXEL, Terminal
from tests.support.terminal_keys import CTRL_G, CTRL_Q, F6, F9

pytestmark = pytest.mark.slow

PLACEHOLDER = "\U0010eeee"
_SENT = re.compile(
    rb"\x1b_Ga=T,U=1,f=100,q=2,i=(\d+),c=(\d+),r=(\d+),m=(\d);(.*?)\x1b\\", re.DOTALL
)
_SIXELS = re.compile(rb"\x1bP[\d;]*q.*?\x1b\\", re.DOTALL)


def placeholders(terminal: Terminal) -> list[tuple[str, str]]:
    """Return every placeholder on the screen with its colour."""
    terminal.draw()
    return [
        (cell.data, cell.fg)
        for row in terminal.screen.buffer.values()
        for cell in row.values()
        if PLACEHOLDER in cell.data
    ]


def test_kitty_gets_a_picture_once_and_it_stays_beside_a_dialog(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, (80, 24), AUTO, KITTY)
    terminal.until("Keys")
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
    assert {colour for _, colour in placeholders(terminal)} == {f"{int(number):06x}"}
    all_cells = int(rows) * int(columns)

    terminal.send(F9)
    terminal.until("model_folders")
    terminal.watch(0.5)
    assert 0 < len(placeholders(terminal)) < all_cells
    assert {colour for _, colour in placeholders(terminal)} == {f"{int(number):06x}"}
    assert "▀" not in terminal.text
    terminal.send("\x1b")
    terminal.until(lambda: len(placeholders(terminal)) == all_cells)
    assert len(_SENT.findall(bytes(terminal.sent))) == 1

    terminal.resize(100, 30)
    terminal.until(lambda: len(_SENT.findall(bytes(terminal.sent))) == 2)
    assert b"\x1b_Ga=d,d=I,q=2,i=%s;" % number in terminal.sent
    number, columns, rows, _, _ = _SENT.findall(bytes(terminal.sent))[1]
    terminal.until(lambda: terminal.text.count(PLACEHOLDER) == int(columns) * int(rows))
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert b"\x1b_Ga=d,d=I,q=2,i=%d;" % int(number) in terminal.sent


ITERM = b"\x1bP>|iTerm2 3.5.0\x1b\\\x1b[6;20;10t\x1b[?62;4c"
_INLINE = re.compile(
    rb"\x1b\[(\d+);(\d+)H\x1b\]1337;File=inline=1;size=(\d+);width=(\d+);height=(\d+);"
    rb"preserveAspectRatio=0;doNotMoveCursor=1:([^\x07]*)\x07"
)


def with_picture(home: Path, answer: bytes, sent: re.Pattern[bytes]) -> Terminal:
    """Return the app with a picture that was sent in a terminal of this answer."""
    terminal = Terminal(SCRIPTED, home, (80, 24), AUTO, answer)
    terminal.until("Keys")
    terminal.send("a cat" + CTRL_G)
    terminal.until(lambda: sent.search(bytes(terminal.sent)))
    terminal.watch(1)
    return terminal


def test_iterm_gets_a_picture_in_its_cells(tmp_path: Path) -> None:
    terminal = with_picture(tmp_path, ITERM, _INLINE)
    assert len(_INLINE.findall(bytes(terminal.sent))) == 1
    row, column, size, columns, rows, data = _INLINE.findall(bytes(terminal.sent))[0]
    file = base64.b64decode(data)
    assert len(file) == int(size)
    picture = Image.open(io.BytesIO(file))
    assert picture.size == (int(columns) * 10, int(rows) * 20)
    assert picture.convert("RGB").getpixel((0, 0)) == (0, 0, 128)
    assert MARK not in terminal.text
    assert int(row) + int(rows) <= 24
    assert int(column) + int(columns) <= 81
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


@pytest.mark.parametrize(
    ("answer", "sent"), [(ITERM, _INLINE), (SIXEL, _SIXELS)], ids=["iterm", "sixel"]
)
def test_dialog_covers_a_picture_and_only_that_part_is_sent_again(
    tmp_path: Path, answer: bytes, sent: re.Pattern[bytes]
) -> None:
    terminal = with_picture(tmp_path, answer, sent)
    whole = max(len(each.group()) for each in sent.finditer(bytes(terminal.sent)))
    terminal.sent.clear()
    terminal.send(F9)
    terminal.until("model_folders")
    terminal.watch(0.5)
    assert not sent.search(bytes(terminal.sent))
    assert "▀".encode() not in terminal.sent
    terminal.sent.clear()
    terminal.send("\x1b")
    terminal.until(lambda: sent.search(bytes(terminal.sent)))
    terminal.watch(0.5)
    assert sum(len(each.group()) for each in sent.finditer(bytes(terminal.sent))) < whole
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
    terminal = with_picture(tmp_path, SIXEL, _SIXELS)
    terminal.sent.clear()
    terminal.send(F6)
    terminal.until("esc Back")
    terminal.until(lambda: _SIXELS.search(bytes(terminal.sent)))
    terminal.watch(1)
    rows = Rows(80, 24)
    pyte.ByteStream(rows).feed(_SIXELS.sub(b"", bytes(terminal.sent)))
    assert rows.moved == 0
    terminal.sent.clear()
    terminal.watch(2.5)  # the monitor looks twice
    assert not _SIXELS.search(bytes(terminal.sent))
    terminal.send("\x1b")
    terminal.until("Keys")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def decoded(sixels_: str) -> Image.Image:
    """Return the picture of a control string, whose background is white."""
    head = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', sixels_)
    assert head is not None
    image = Image.new("RGB", (int(head[1]), int(head[2])), "white")
    palette: dict[int, tuple[int, int, int]] = {}
    x = y = colour = 0
    tokens = re.compile(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|([$-])")
    for token in tokens.finditer(sixels_, head.end(), len(sixels_) - 2):
        number, *rgb, run, run_of, single, end = token.groups()
        if number:
            colour = int(number)
            if rgb[0]:
                palette[colour] = tuple(round(int(part) * 2.55) for part in rgb)  # type: ignore[assignment]
        elif end:
            x, y = 0, y + (6 if end == "-" else 0)
        else:
            bits, after = ord(run_of or single) - 63, x + int(run or 1)
            for place in range(6):
                if bits >> place & 1:
                    image.paste(palette[colour], (x, y + place, after, y + place + 1))
            x = after
    return image


def test_sixels_are_the_picture_and_all_colours_come_first() -> None:
    picture = Image.new("RGB", (23, 20), "navy")
    picture.paste("red", (3, 2, 9, 19))
    picture.paste("lime", (20, 19, 23, 20))
    encoded = sixels(with_palette(picture))
    difference = ImageChops.difference(decoded(encoded), picture)
    assert difference.point(lambda value: 255 * (value > 2)).getbbox() is None  # from percents
    definitions = [found.start() for found in re.finditer(r"#\d+;2;", encoded)]
    used = [found.start() for found in re.finditer(r"#\d+(?!;|\d)", encoded)]
    assert len(definitions) == 3
    assert max(definitions) < min(used)


@pytest.mark.parametrize("protocol", ["auto", "halfcell"])
def test_keys_typed_while_the_app_starts_are_in_the_prompt(tmp_path: Path, protocol: str) -> None:
    environment = {"SDTUI_IMAGE_PROTOCOL": protocol}
    terminal = Terminal(SCRIPTED, tmp_path, environment=environment, answer=KITTY)
    typed = "a cat, sitting at a window"
    for letter in typed:
        terminal.send(letter)
        terminal.watch(0.04)
    terminal.until("Keys")
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


NO_TERMINAL = ("TMUX", "NO_COLOR", "TERM_PROGRAM", "LC_TERMINAL", "STY", "KONSOLE_VERSION")


@pytest.mark.parametrize(
    "environment",
    [{"TMUX": "/tmp/tmux"}, {"NO_COLOR": "1"}, {"TERM_PROGRAM": "WarpTerminal"}, {"COLORTERM": ""}],
)
def test_kitty_only_where_placeholders_arrive(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NO_TERMINAL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert widget_here(ImageProtocol.AUTO, TerminalCapabilities(kitty=True)) is not None
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    widget = widget_here(ImageProtocol.AUTO, TerminalCapabilities(kitty=True))
    assert widget is None or not issubclass(widget, KittyPicture)
    assert widget_here(ImageProtocol.KITTY, TerminalCapabilities()) is not None


PASSES = {"TMUX": "/tmp/tmux,1,0", "TERM": "tmux-256color"}
REMOTE_TMUX = {"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2"}
"""From a window of tmux on one machine by SSH to this one."""


@pytest.mark.parametrize(
    ("environment", "reported", "protocol"),
    [
        ({"TERM_PROGRAM": "iTerm.app"}, TerminalCapabilities(sixel=True), "iterm"),
        ({"LC_TERMINAL": "iTerm2"}, TerminalCapabilities(), "iterm"),
        ({}, TerminalCapabilities(name="iTerm2 3.4.19"), "iterm"),
        ({}, TerminalCapabilities(name="WezTerm 20240203", sixel=True, kitty=True), "iterm"),
        ({"TERM_PROGRAM": "vscode"}, TerminalCapabilities(sixel=True), "iterm"),
        ({}, TerminalCapabilities(name="xterm.js(5.6.0)", sixel=True), "iterm"),
        ({"TERM_PROGRAM": "vscode"}, TerminalCapabilities(), "halfcell"),
        ({"TERM_PROGRAM": "WarpTerminal"}, TerminalCapabilities(kitty=True), "iterm"),
        ({"TERM_PROGRAM": "Tabby"}, TerminalCapabilities(), "iterm"),
        ({"TERM_PROGRAM": "mintty"}, TerminalCapabilities(sixel=True), "iterm"),
        ({"TERM_PROGRAM": "rio"}, TerminalCapabilities(sixel=True), "iterm"),
        ({"KONSOLE_VERSION": "240500"}, TerminalCapabilities(kitty=True, sixel=True), "iterm"),
        ({"TERM": "foot"}, TerminalCapabilities(name="foot(1.16.2)", sixel=True), "sixel"),
        ({}, TerminalCapabilities(name="XTerm(390)", sixel=True), "sixel"),
        ({}, TerminalCapabilities(name="XTerm(390)"), "halfcell"),
        ({"TERM": "xterm-kitty"}, TerminalCapabilities(kitty=True), "kitty"),
        ({"TERM": "xterm-ghostty"}, TerminalCapabilities(kitty=True), "kitty"),
        ({"TERM": "screen", "LC_TERMINAL": "iTerm2"}, TerminalCapabilities(), "halfcell"),
        (PASSES, TerminalCapabilities(name="iTerm2 3.5", passthrough=True), "iterm"),
        (PASSES, TerminalCapabilities(name="iTerm2 3.5"), "halfcell"),
        (REMOTE_TMUX, TerminalCapabilities(passthrough=True), "halfcell"),
        (PASSES, TerminalCapabilities(name="kitty(0.36)", kitty=True, passthrough=True), "kitty"),
        (PASSES, TerminalCapabilities(sixel=True, name="iTerm2 3.5"), "sixel"),
    ],
)
def test_protocol_of_each_terminal(
    environment: dict[str, str],
    reported: TerminalCapabilities,
    protocol: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in NO_TERMINAL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert protocol_here(ImageProtocol.AUTO, reported, Colours.TRUE) == protocol


@pytest.mark.parametrize(
    ("pixels", "cell"), [((960, 768), (12, 32)), ((0, 0), TerminalCapabilities.cell)]
)
def test_cell_is_known_by_the_window_if_the_terminal_does_not_say_it(
    pixels: tuple[int, int], cell: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, *pixels))
    with os.fdopen(inner, "r") as terminal, os.fdopen(outer, "wb", 0) as keyboard:
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("sys.stdout", io.StringIO())
        probe = TerminalProbe()
        keyboard.write(b"\x1b[?62;4c")
        assert probe.answers(5)[0] == TerminalCapabilities(sixel=True, cell=cell)
