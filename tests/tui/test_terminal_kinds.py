"""Terminals of other kinds, and terminals that were used by something else meanwhile."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psutil
import pytest

from sdtui.tui.terminal.symbols import substitutes
from tests.support.terminal import AUTO, KITTY, SCRIPTED, SIXEL, Terminal
from tests.support.terminal_keys import CTRL_L, CTRL_Q

pytestmark = pytest.mark.slow

SHELL = (
    "-c",
    "import os, signal, subprocess, sys\n"
    "app = subprocess.Popen([sys.executable, *sys.argv[1:]])\n"
    "while os.WIFSTOPPED(os.waitpid(app.pid, os.WUNTRACED)[1]):\n"
    "    os.system('stty sane')\n"
    "    input('shell> ')\n"
    "    os.kill(app.pid, signal.SIGCONT)\n"
    "input('ended> ')\n",
)
"""A shell that continues what was stopped in it."""
MODES = ("\x1b[?1049h", "\x1b[?1003h", "\x1b[?2004h", "\x1b[?1004h", "\x1b[?25l", "\x1b[>25u")
TITLE, TITLE_BEFORE = b"\x1b[22;2t\x1b]2;sdtui\x07", b"\x1b[23;2t"
PICTURES = {"kitty": re.compile(rb"\x1b_Ga=T"), "sixel": re.compile(rb"\x1bP[\d;]*q")}


def stop(terminal: Terminal, number: int) -> None:
    """Stop the app in the shell."""
    psutil.Process(terminal.process.pid).children()[0].send_signal(number)
    terminal.until("shell>")
    terminal.sent.clear()


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_stopped_app_draws_itself_again(number: int, tmp_path: Path) -> None:
    terminal = Terminal((*SHELL, *SCRIPTED), tmp_path)
    terminal.until("Keys")
    stop(terminal, number)
    terminal.screen.reset()
    terminal.resize(100, 30)
    terminal.send("\r")
    terminal.until("Gallery")
    terminal.until("Keys")
    for mode in MODES:
        assert mode.encode() in terminal.sent
    terminal.send("a \x1b[200~black\x1b[201~ cat")
    terminal.until("│ a black cat ")
    terminal.send(CTRL_Q)
    terminal.until("ended>")
    terminal.kill()


def test_redraw_removes_what_others_wrote(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, (80, 24))
    terminal.until("Keys")
    terminal.send("a cat")
    terminal.until("│ a cat ")
    terminal.watch(0.5)
    terminal.draw()
    terminal._stream.feed(b"\x1b[3;3HBroadcast message from root\r\n\n\n the system goes down\n")
    terminal.send(CTRL_L)
    terminal.until(lambda: "Broadcast" not in terminal.text and "goes down" not in terminal.text)
    terminal.until("│ a cat ")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


@pytest.mark.parametrize(("protocol", "answer"), [("kitty", KITTY), ("sixel", SIXEL)])
def test_pictures_are_sent_again(protocol: str, answer: bytes, tmp_path: Path) -> None:
    terminal = Terminal((*SHELL, *SCRIPTED), tmp_path, (80, 24), AUTO, answer)
    terminal.until("Keys")
    picture = PICTURES[protocol]
    terminal.send("a cat\x07")
    terminal.until(lambda: picture.search(bytes(terminal.sent)))
    terminal.watch(1)
    terminal.sent.clear()
    terminal.send(CTRL_L)
    terminal.until(lambda: picture.search(bytes(terminal.sent)))
    terminal.watch(1)
    stop(terminal, signal.SIGTSTP)
    terminal.send("\r")
    terminal.until(lambda: picture.search(bytes(terminal.sent)))
    terminal.kill()


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "koi8-r"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TERM": "vt100", "COLORTERM": ""},
    ],
)
def test_frames_that_the_terminal_has(environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, (80, 24), environment)
    terminal.until("Keys")
    terminal.send("a cat\x07")
    terminal.until("finished after")
    assert rb"\u" not in terminal.sent
    encoding = environment.get("PYTHONIOENCODING", "ascii")
    seen = terminal.sent.decode(encoding)  # raises an error for what isn't in it
    assert ("┌─" if encoding == "koi8-r" else "+-") in "".join(re.split(r"\x1b\[[\d;]*m", seen))
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_signs_have_the_width_of_what_they_stand_for() -> None:
    table = substitutes("ascii", "xterm")
    assert table is not None
    assert "╭─╮│┏━┓ ▀█ ✓✗ … é 猫 e\u0301".translate(table) == "+-+|+-+ ## vx . e ?? e"
    console = substitutes("utf-8", "linux")
    assert console is not None
    assert "╭─╮━┃ ▀ ✓ é 猫".translate(console) == "┌─┐─│ ▀ v é 猫"
    assert substitutes("utf-8", "xterm-256color") is None
    western = substitutes("iso-8859-1", "xterm")
    assert western is not None
    assert "╭─╮│ ▀ ✓ … é 猫".translate(western) == "+-+| # v . é ??"


def test_terminal_counts_more_than_the_variables(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, (80, 24), {"COLUMNS": "200", "LINES": "9"})
    terminal.until("Keys")
    assert max(map(len, map(str.rstrip, terminal.text.splitlines()))) == 80
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_errors_of_others_may_go_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "errors"
    script = (
        "import os, sys\n"
        f"os.dup2(os.open({str(file)!r}, os.O_CREAT | os.O_WRONLY), 2)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'tests.support.scripted_app'])"
    )
    terminal = Terminal(("-c", script), tmp_path, (80, 24))
    terminal.until("Keys")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert file.read_text() == ""


@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_tiny_terminal_can_be_left(size: tuple[int, int], tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, size)
    terminal.until(lambda: b"\x1b[?1049h" in terminal.sent)
    terminal.watch(0.5)
    terminal.resize(80, 24)
    terminal.until("Keys")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_dumb_terminal_is_told_how_to_go_on(tmp_path: Path) -> None:
    terminal = Terminal(("-m", "sdtui"), tmp_path, environment={"TERM": "dumb"})
    terminal.until("TERM=xterm-256color sdtui")
    assert terminal.ended() == 2
    assert b"\x1b" not in terminal.sent


def test_title_is_set_and_given_back(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path)
    terminal.until("Keys")
    assert terminal.sent.count(TITLE) == 1
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert terminal.sent.count(TITLE_BEFORE) == 1


@pytest.mark.parametrize("term", ["linux", "vt220", ""])
def test_no_title_where_it_might_be_printed(term: str, tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, environment={"TERM": term})
    terminal.until("Keys")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert b"\x1b]" not in terminal.sent
