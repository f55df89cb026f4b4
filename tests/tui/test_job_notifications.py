"""Notifications, the window's title, and progress in the terminal's tab."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from sdtui.core.enums import EventLevel, JobState, Notify
from sdtui.tui.job_notifications import LONG_SECONDS, JobNotifications
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.terminal.notifications import BELL, notification, progress, window_title
from sdtui.tui.terminal.probe import TerminalCapabilities
from sdtui.tui.terminal.program import TerminalProgram
from tests.support.terminal import SCRIPTED, Terminal
from tests.support.terminal_keys import CTRL_Q

HOSTILE = "a cat\x1b]0;owned\x07\x9c\nnew \u202eline;x"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(autouse=True)
def unknown_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set variables of a terminal that is none of the known ones."""
    for name in ("TMUX", "STY", "TERM_PROGRAM", "LC_TERMINAL", "WT_SESSION", "KONSOLE_VERSION"):
        monkeypatch.delenv(name, raising=False)


class Follower:
    """Notifications of jobs in an app that keeps what it would send."""

    def __init__(self, name: str = "iTerm2 3.6.6", notify: Notify = Notify.AUTO) -> None:
        self.sent: list[str] = []
        self.time = 100.0
        self.states = {"1": JobState.RUNNING}
        driver = SimpleNamespace(write=self.sent.append)
        self.app = cast(Any, SimpleNamespace(app_focus=True, _driver=driver))
        self.jobs = cast(
            Any,
            SimpleNamespace(
                jobs=lambda: [
                    SimpleNamespace(id=id, state=each) for id, each in self.states.items()
                ],
                job=lambda _: SimpleNamespace(request=SimpleNamespace(prompt="a tiger")),
                is_paused=False,
            ),
        )
        capabilities = TerminalCapabilities(name=name)
        self.shown = JobNotifications(self.app, self.jobs, capabilities, notify, lambda: self.time)

    def run(self, seconds: float, outcome: EventLevel = EventLevel.SUCCESS) -> str:
        """Let a job take some seconds and end; return what is sent at the end."""
        running = ShownProgress(job="1", is_running=True, stage="denoising", step=12, total=20)
        self.shown.show(running)
        self.time += seconds
        self.sent.clear()
        ended = ShownProgress(job="1", outcome=outcome, message="finished after 3 s")
        self.shown.show(ended)
        self.shown.show(ended)
        return "".join(self.sent)


def test_no_notification_while_the_user_looks_at_a_short_job() -> None:
    assert BELL not in Follower().run(3).replace("\x1b]9;4;0;\x07", "").replace("tiger\x07", "")


def test_training_has_its_name_in_the_title_and_is_notified_at_its_end() -> None:
    follower = Follower()
    running = ShownProgress(job="t", stage="training", step=3, total=9, speed=1.0, training="zorb")
    follower.shown.show(running)
    assert window_title("3/9 · zorb") in follower.sent
    follower.time += LONG_SECONDS
    message = "zorb finished after 9 steps"
    follower.shown.show(
        ShownProgress(job="t", outcome=EventLevel.SUCCESS, message=message, training="zorb")
    )
    assert f"\x1b]9;sdtui: {message}\x07" in "".join(follower.sent)


def test_end_of_the_queue_is_notified_once_if_the_user_looks_elsewhere() -> None:
    follower = Follower()
    follower.app.app_focus = False
    sent = follower.run(3)
    assert sent.count("\x1b]9;sdtui: a tiger: finished after 3 s\x07") == 1
    assert follower.sent.count(BELL) == 1


def test_job_between_others_is_not_notified_unless_it_is_long_or_the_queue_is_paused() -> None:
    for seconds, is_paused, expected in (
        (3, False, False),
        (LONG_SECONDS, False, True),
        (3, True, True),
    ):
        follower = Follower()
        follower.app.app_focus = False
        follower.states["2"] = JobState.QUEUED
        follower.jobs.is_paused = is_paused
        assert ("\x1b]9;sdtui" in follower.run(seconds)) == expected


def test_long_job_is_notified_even_if_the_terminal_has_the_focus() -> None:
    assert "\x1b]9;sdtui" in Follower().run(LONG_SECONDS)


def test_cancelled_job_is_no_news() -> None:
    assert "\x1b]9;sdtui" not in Follower().run(LONG_SECONDS, EventLevel.WARNING)


@pytest.mark.parametrize(
    ("notify", "rings", "speaks"),
    [(Notify.AUTO, True, True), (Notify.BELL, True, False), (Notify.OFF, False, False)],
)
def test_setting_chooses_how_the_user_is_notified(
    notify: Notify, rings: bool, speaks: bool
) -> None:
    follower = Follower(notify=notify)
    sent = follower.run(LONG_SECONDS)
    assert (BELL in follower.sent) == rings
    assert ("\x1b]9;sdtui" in sent) == speaks


def test_title_and_progress_follow_the_job() -> None:
    follower = Follower()
    follower.shown.show(
        ShownProgress(job="1", is_running=True, stage="denoising", step=12, total=20)
    )
    assert follower.sent == ["\x1b]2;12/20 · a tiger\x07", "\x1b]9;4;1;60\x07"]
    follower.sent.clear()
    follower.shown.show(ShownProgress(job="1", is_running=True, stage="loading"))
    assert follower.sent == ["\x1b]2;loading · a tiger\x07", "\x1b]9;4;3;\x07"]
    follower.sent.clear()
    follower.shown.show(ShownProgress(job="1", outcome=EventLevel.ERROR))
    assert follower.sent == ["\x1b]2;✗ · a tiger\x07", "\x1b]9;4;0;\x07"]


@pytest.mark.parametrize("name", ["iTerm2 3.4.19", "kitty(0.36)", "XTerm(390)", ""])
def test_no_progress_for_terminals_that_would_take_it_for_something_else(name: str) -> None:
    follower = Follower(name)
    follower.run(3)
    assert not any("]9;4" in each for each in follower.sent)


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("kitty", "\x1b]99;"),
        ("ghostty", "\x1b]9;"),
        ("wezterm", "\x1b]9;"),
        ("iterm2", "\x1b]9;"),
        ("foot", "\x1b]777;notify;"),
        ("konsole", "\x1b]777;notify;"),
        ("windows-terminal", ""),
        ("", ""),
    ],
)
def test_notification_of_each_terminal(name: str, beginning: str) -> None:
    text = notification(TerminalProgram(name), "sdtui", "a tiger")
    assert text.startswith(beginning)
    assert bool(text) == bool(beginning)


def test_no_control_character_of_a_prompt_is_sent() -> None:
    for name in ("kitty", "iterm2", "foot"):
        text = notification(TerminalProgram(name), HOSTILE, HOSTILE)
        inner = text.replace("\x1b\\", "").removesuffix("\x07").replace("\x1b]", "")
        assert not _CONTROLS.search(inner), name
    assert not _CONTROLS.search(window_title(HOSTILE)[len("\x1b]2;") : -1])
    assert len(window_title("x" * 1000)) < 80


def test_sequences_are_wrapped_inside_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    assert progress(50) == "\x1bPtmux;\x1b\x1b]9;4;1;50\x07\x1b\\"
    assert notification(TerminalProgram("iterm2"), "a", "b").startswith("\x1bPtmux;\x1b\x1b]9;")


def test_only_the_bell_inside_tmux_that_passes_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    follower = Follower()
    follower.run(LONG_SECONDS)
    assert BELL in follower.sent
    assert not any("\x1bP" in each for each in follower.sent)


@pytest.mark.slow
def test_terminal_without_focus_is_notified_and_left_clean(tmp_path: Path) -> None:
    environment = {"TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.2.0"}
    terminal = Terminal((*SCRIPTED, "0.5"), tmp_path, environment=environment)
    terminal.until("Keys")
    terminal.send("a tiger\x07")
    terminal.until(lambda: b"\x1b]9;4;1;25\x07" in terminal.sent, 30)
    terminal.send("\x1b[O")
    terminal.until(lambda: b"\x1b]9;sdtui: a tiger: " in terminal.sent, 30)
    assert re.search(rb"\x1b\]2;\d+/\d+ \xc2\xb7 a tiger\x07", terminal.sent)
    assert re.search(rb"\x1b\]9;4;1;\d+\x07", terminal.sent)
    terminal.sent.clear()
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert b"\x1b]9;4;0;\x07" in terminal.sent
    assert b"\x1b[23;2t" in terminal.sent


@pytest.mark.slow
def test_progress_is_removed_after_the_app_was_killed(tmp_path: Path) -> None:
    environment = {"TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.2.0"}
    shell = "import subprocess, sys; subprocess.call([sys.executable, *sys.argv[1:]]); input()"
    terminal = Terminal(("-c", shell, *SCRIPTED, "1"), tmp_path, environment=environment)
    terminal.until("Keys")
    terminal.send("a tiger\x07")
    terminal.until(lambda: re.search(rb"\x1b\]9;4;1;\d+\x07", terminal.sent), 30)
    terminal.sent.clear()
    psutil.Process(terminal.process.pid).children()[0].kill()
    terminal.until("sdtui was killed", 30)
    assert b"\x1b]9;4;0;\x07" in terminal.sent
    terminal.kill()
