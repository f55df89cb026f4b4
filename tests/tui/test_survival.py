"""The app is ended from outside: the next start finds its state, and the terminal is restored."""

from __future__ import annotations

import json
import os
import signal
import termios
import time
import tty
from pathlib import Path
from typing import Any

import psutil
import pytest

from sdtui.history import History
from tests.support.terminal import SCRIPTED, Terminal
from tests.support.terminal_keys import CTRL_G, CTRL_Q

pytestmark = pytest.mark.slow

CRASHING = (
    "-c",
    "from sdtui.cli.logs import log_to_file\n"
    "from sdtui.core.settings import load_settings\n"
    "from sdtui.jobs.backends.local import LocalBackend\n"
    "from sdtui.tui.launch import launch\n"
    "def submit(*_, **__):\n"
    "    raise RuntimeError('a fault of ours')\n"
    "def open_backend(_):\n"
    "    backend = LocalBackend(settings)\n"
    "    backend.jobs.submit = submit\n"
    "    return backend\n"
    "log_to_file()\n"
    "settings = load_settings()\n"
    "raise SystemExit(launch(settings, open_backend))",
)
QUICK = (*SCRIPTED, "0")
"""Without the time that steps take."""
HOLDING = (*QUICK, "--hold-at-picture=2")
SHELL = (
    "-c",
    "import subprocess, sys\n"
    "code = subprocess.call([sys.executable, *sys.argv[1:]])\n"
    "print(f'ended with {code}')\n"  # at once: the watcher writes there as well
    "input('shell> ')",
)
"""The shell that starts the app and continues after it."""
ENDS = (
    *(b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?2004l", b"\x1b[<u"),
    b"\x1b[23;2t",
)
"""Sequences that leave the alternate screen, show the cursor, turn off mouse, paste and key modes,
and give the title back."""


def seeds(home: Path) -> list[int]:
    """Return the seeds of the pictures on disk."""
    records = (home / "pictures").rglob("*.json")
    return sorted(json.loads(file.read_text())["seed"] for file in records)


def state_folder(home: Path) -> Path:
    return home / "STATE" / "sdtui"


def kept_jobs(home: Path) -> list[dict[str, Any]]:
    """Return the jobs in the queue file."""
    for file in state_folder(home).glob("queue-*.json"):
        jobs: list[dict[str, Any]] = json.loads(file.read_text())["jobs"]
        return jobs
    return []


def generating(home: Path, shell: tuple[str, ...] = ()) -> Terminal:
    """Start the app with a job of four pictures, two of which are saved."""
    state_folder(home).mkdir(parents=True)
    form = {"form": {"num_images_per_prompt": "4"}}
    (state_folder(home) / "tui.json").write_text(json.dumps(form))
    terminal = Terminal((*shell, *HOLDING), home)
    terminal.until("Keys")
    terminal.send("four cats" + CTRL_G)
    terminal.until(lambda: [len(job["pictures"]) for job in kept_jobs(home)] == [2])
    return terminal


def goes_on(home: Path) -> None:
    """The next start offers the two remaining pictures and makes only these."""
    before = seeds(home)
    assert len(before) == 2
    terminal = Terminal(QUICK, home)
    terminal.until("Go on with the queue?")
    terminal.until("2 pictures were")
    terminal.send("\r")
    terminal.until("✓ finished after")
    assert len([*(home / "pictures").rglob("*.png")]) == 4
    assert "four cats" in terminal.text.partition("Negative prompt")[0]
    made = seeds(home)
    assert made == list(range(made[0], made[0] + 4))
    assert made[:2] == before
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert not list(state_folder(home).glob("queue-*"))


def test_killed_half_way(tmp_path: Path) -> None:
    terminal = generating(tmp_path, SHELL)
    terminal.sent.clear()
    psutil.Process(terminal.process.pid).children()[0].kill()
    terminal.until("ended with -9")
    terminal.until("sdtui was killed")
    for end in ENDS:
        assert end in terminal.sent
    modes = termios.tcgetattr(terminal.process.child_fd)[tty.LFLAG]
    for mode in (termios.ECHO, termios.ICANON, termios.ISIG):
        assert modes & mode
    terminal.kill()
    goes_on(tmp_path)


GUARDED = (
    "import os\nfrom sdtui.tui.terminal.restore import TerminalRestore\n"
    "with TerminalRestore('the guard was here'):\n    print('within', flush=True)\n"
    "    if input():\n        os.kill(os.getpid(), 9)\n"
    "print('after', flush=True)\ninput()\n"
)
"""The app before it is imported: an empty line ends it, another kills it."""


def has_flow_control(terminal: Terminal) -> bool:
    """True if ^Q and ^S control the flow of output."""
    modes = termios.tcgetattr(terminal.process.child_fd)
    return bool(modes[tty.IFLAG] & termios.IXON)


def test_flow_control_swallows_no_key_while_the_app_is_imported(tmp_path: Path) -> None:
    terminal = Terminal(("-c", GUARDED), tmp_path)
    terminal.until("within")
    assert not has_flow_control(terminal)
    terminal.send("\r")
    terminal.until("after")
    assert has_flow_control(terminal)
    terminal.kill()


def test_flow_control_is_back_after_a_kill(tmp_path: Path) -> None:
    terminal = Terminal((*SHELL, "-c", GUARDED), tmp_path)
    terminal.until("within")
    terminal.send("kill\r")
    terminal.until("the guard was here")
    assert has_flow_control(terminal)
    terminal.kill()


def hang_up(terminal: Terminal) -> int:
    """Close the terminal; returns the exit code of the app."""
    process = psutil.Process(terminal.process.pid).pid
    # Closed by its owner, which would otherwise close the number again when it belongs to another
    # terminal.
    terminal.process.ptyproc.fileobj.close()  # type: ignore[attr-defined]
    end = time.monotonic() + 60
    while (ended := os.waitpid(process, os.WNOHANG))[0] == 0:
        if time.monotonic() >= end:
            os.kill(process, signal.SIGKILL)  # or it would go on beside all other tests
            pytest.fail("it goes on without a terminal")
        time.sleep(0.05)
    return os.waitstatus_to_exitcode(ended[1])


def test_terminal_hangs_up(tmp_path: Path) -> None:
    assert hang_up(generating(tmp_path)) == 128 + signal.SIGHUP
    goes_on(tmp_path)


def test_terminal_hangs_up_while_much_is_drawn(tmp_path: Path) -> None:
    state_folder(tmp_path).mkdir(parents=True)
    form = {"form": {"prompt": "a cat", "num_inference_steps": "150"}}
    (state_folder(tmp_path) / "tui.json").write_text(json.dumps(form))
    terminal = Terminal((*SCRIPTED, "0.05"), tmp_path)
    terminal.until("Keys")
    terminal.send(CTRL_G)
    terminal.until("/150")
    assert hang_up(terminal) == 128 + signal.SIGHUP
    assert [job["request"]["prompt"] for job in kept_jobs(tmp_path)] == ["a cat"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_termination_signal_saves_and_ends(number: signal.Signals, tmp_path: Path) -> None:
    terminal = generating(tmp_path)
    terminal.sent.clear()
    terminal.process.kill(number)
    assert terminal.ended() == 128 + number
    for end in ENDS:
        assert end in terminal.sent
    assert b"sdtui was killed" not in terminal.sent
    (job,) = kept_jobs(tmp_path)
    assert job["request"]["num_images_per_prompt"] == 2
    assert job["request"]["seed"] == seeds(tmp_path)[0] + 2
    assert "four cats" in (state_folder(tmp_path) / "tui.json").read_text()


def test_quitting_after_the_watcher_was_killed(tmp_path: Path) -> None:
    terminal = Terminal(QUICK, tmp_path)
    terminal.until("Keys")
    (watcher,) = psutil.Process(terminal.process.pid).children()
    watcher.kill()
    terminal.until(lambda: watcher.status() == psutil.STATUS_ZOMBIE)
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_internal_error_is_logged_and_reported(tmp_path: Path) -> None:
    terminal = Terminal(CRASHING, tmp_path)
    terminal.until("Keys")
    terminal.send("a half written prompt")
    state = state_folder(tmp_path) / "tui.json"
    terminal.until(lambda: state.is_file() and "half written prompt" in state.read_text())
    terminal.send(CTRL_G)
    assert terminal.ended() == 1
    for end in ENDS:
        assert end in terminal.sent
    log = state_folder(tmp_path) / "sdtui.log"
    assert str(log) in "".join(terminal.text.split())
    assert "a fault of ours" in log.read_text()
    after = terminal.sent.partition(ENDS[0])[2]
    assert len(after) < 300  # a sentence, and no traceback
    assert b"Traceback" not in after
    assert b"a fault of ours" not in after

    again = Terminal(QUICK, tmp_path)
    again.until("a half written prompt")
    again.send(CTRL_Q)
    assert again.ended() == 0


def test_unusable_history_is_reported_and_ends_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "STATE"))
    History(tmp_path / "pictures").close()
    (index,) = state_folder(tmp_path).glob("history-*.db")
    index.unlink()
    index.mkdir()
    terminal = Terminal((*SHELL, "-m", "sdtui"), tmp_path)
    terminal.until("shell>")
    assert "ended with 1" in terminal.text
    assert "sdtui: the history's index" in terminal.text
    assert b"\x1b[?1049l" in terminal.sent
