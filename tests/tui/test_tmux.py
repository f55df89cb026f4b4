"""The app inside a real tmux, with a terminal around it that answers as Kitty does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sdtui.tui.terminal.program import terminal_program
from sdtui.tui.terminal.tmux import TmuxQuestion
from tests.support.terminal import SCRIPTED, Terminal
from tests.support.terminal_keys import CTRL_G

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux"),
]

PLACEHOLDER = "\U0010eeee"
AS_KITTY = {
    b"\x1b_Gi=31": b"\x1b_Gi=31;OK\x1b\\",
    b"\x1bP$qm": b"\x1bP1$r0;48:2::1:2:3m\x1b\\",
    b"\x1b[>q": b"\x1bP>|kitty(0.40.0)\x1b\\",
    b"\x1b[c": b"\x1b[?62c",
}
_SENT = re.compile(rb"\x1b_Ga=T,U=1,f=100,q=2,i=(\d+),c=(\d+),r=(\d+),m=(\d);")


class Tmux:
    """A tmux server of its own, with one window that runs the app."""

    def __init__(self, folder: Path, settings: str, replies: Mapping[bytes, bytes]) -> None:
        """`replies` are those of the terminal around it."""
        self.socket = f"sdtui-test-{uuid.uuid4().hex}"
        config = folder / "tmux.conf"
        config.write_text(settings)
        app = " ".join([sys.executable, *SCRIPTED])
        self.terminal = Terminal(
            ("-L", self.socket, "-f", str(config), "new", app),
            folder,
            (100, 30),
            {"SDTUI_IMAGE_PROTOCOL": "auto", "TERM": "xterm-256color"},
            replies=replies,
            program="tmux",
        )

    def run(self, *arguments: str) -> str:
        """Run a command of tmux; returns what it prints."""
        command = ("tmux", "-L", self.socket, *arguments)
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return result.stdout.strip()

    def close(self) -> None:
        """End the server."""
        self.run("kill-server")
        self.terminal.ended()


@pytest.fixture
def tmux(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tmux]:
    """tmux with the settings that are the test's parameter, in a terminal like Kitty or as said."""
    settings, replies = (
        request.param if isinstance(request.param, tuple) else (request.param, AS_KITTY)
    )
    started = Tmux(tmp_path, settings, replies)
    yield started
    started.close()


def begin(tmux: Tmux) -> None:
    """Have a picture made."""
    tmux.terminal.until("Keys")
    tmux.terminal.send("a cat" + CTRL_G)


PASSES = "set -g allow-passthrough on\nset -as terminal-features ',*:RGB'\n"
HAS_256 = "set -g allow-passthrough on\n"


@pytest.mark.parametrize("tmux", [PASSES, HAS_256], indirect=True)
def test_kitty_gets_pictures_through_tmux(tmux: Tmux) -> None:
    begin(tmux)
    terminal = tmux.terminal
    terminal.until(PLACEHOLDER)
    number, columns, rows, _ = _SENT.findall(bytes(terminal.sent))[0]
    terminal.until(lambda: terminal.text.count(PLACEHOLDER) == int(columns) * int(rows))
    assert b"38;5;%dm" % (int(number) & 255) in terminal.sent
    assert "Gi=31" not in tmux.run("display-message", "-p", "#{pane_title}")

    terminal.sent.clear()
    tmux.run("new-window", "sleep 60")
    terminal.until(lambda: PLACEHOLDER not in terminal.text)
    tmux.run("select-window", "-t", ":0")
    terminal.until(lambda: terminal.text.count(PLACEHOLDER) == int(columns) * int(rows))


@pytest.mark.parametrize("tmux", ["set -g allow-passthrough off\n"], indirect=True)
def test_no_pictures_and_no_text_where_tmux_passes_nothing_on(tmux: Tmux) -> None:
    begin(tmux)
    terminal = tmux.terminal
    terminal.until("▀")
    terminal.watch(0.5)
    assert b"\x1b_G" not in terminal.sent
    assert PLACEHOLDER not in terminal.text
    assert "Gi=31" not in terminal.text
    assert "Gi=31" not in tmux.run("display-message", "-p", "#{pane_title}")


@pytest.mark.parametrize("tmux", [PASSES], indirect=True)
def test_picture_finished_in_another_window_is_sent_when_the_app_is_seen(tmux: Tmux) -> None:
    tmux.terminal.until("Keys")
    tmux.run("new-window", "sleep 60")
    tmux.run("send-keys", "-t", ":0", "a cat")
    tmux.run("send-keys", "-t", ":0", "C-g")
    tmux.terminal.watch(3)
    assert not _SENT.search(bytes(tmux.terminal.sent))
    tmux.run("select-window", "-t", ":0")
    tmux.terminal.until(PLACEHOLDER)
    assert _SENT.search(bytes(tmux.terminal.sent))


@pytest.mark.parametrize(
    ("answer", "passthrough", "true_colour", "terminal"),
    [
        ("bpaste,RGB|3.3a|1|iTerm2 3.5.0", True, True, "iterm2"),
        ("bpaste|3.3a|0|kitty(0.30)", False, False, "kitty"),
        ("bpaste|3.4|all|", True, False, ""),
        ("bpaste|3.4|off|", False, False, ""),
        ("bpaste|3.2a||WezTerm 20240203", True, False, "wezterm"),
        ("bpaste|next-3.6|on|", True, False, ""),
        ("", False, False, ""),
    ],
)
def test_settings_of_tmux(
    answer: str,
    passthrough: bool,
    true_colour: bool,
    terminal: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TmuxQuestion, "answer", lambda _: answer)
    monkeypatch.setenv("TERM", "tmux-256color")
    monkeypatch.delenv("LC_TERMINAL", raising=False)
    settings = TmuxQuestion().settings()
    assert (settings.passthrough, settings.true_colour) == (passthrough, true_colour)
    assert terminal_program(settings.terminal).name == terminal


AS_ITERM = {
    b"\x1b[>q": b"\x1bP>|iTerm2 3.5.0\x1b\\",
    b"\x1b[c": b"\x1b[?62;4c",
}
_PLACED = re.compile(
    rb"\x1b7\x1b\[(\d+);(\d+)H\x1b\]1337;(?:File=inline=1;\S*?width=(\d+);height=(\d+);|FileEnd)"
)


@pytest.mark.parametrize(
    "tmux", [("set -g status-position top\n" + PASSES, AS_ITERM)], indirect=True
)
def test_inline_image_is_drawn_in_its_pane(tmux: Tmux) -> None:
    terminal = tmux.terminal
    terminal.until("Keys")
    tmux.run("split-window", "-hbd", "-l", "30", "sleep 60")
    terminal.send("a cat" + CTRL_G)
    terminal.until(lambda: _PLACED.search(bytes(terminal.sent)))
    terminal.watch(0.5)
    row, column, *_ = _PLACED.findall(bytes(terminal.sent))[-1]
    assert int(column) > 31
    assert int(row) >= 3  # below the status line and the top line
    assert "1337" not in terminal.text


@pytest.mark.parametrize("tmux", [("set -g focus-events on\n" + PASSES, AS_ITERM)], indirect=True)
def test_inline_image_is_drawn_again_when_its_window_is_seen_again(tmux: Tmux) -> None:
    terminal = tmux.terminal
    begin(tmux)
    terminal.until(lambda: _PLACED.search(bytes(terminal.sent)))
    terminal.watch(1)
    tmux.run("new-window", "sleep 60")
    terminal.watch(1)
    terminal.sent.clear()
    tmux.run("select-window", "-t", ":0")
    terminal.until(lambda: _PLACED.search(bytes(terminal.sent)), 20)
