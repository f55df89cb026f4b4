"""$EDITOR on the prompt and on the config file, in a real terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.terminal import SCRIPTED, Terminal
from tests.support.terminal_keys import CTRL_Q, CTRL_T, F9, SHIFT_TAB, TAB, UP

pytestmark = pytest.mark.slow


def editor(folder: Path, command: str) -> dict[str, str]:
    """Return an environment whose editor does one thing to the file and exits."""
    file = folder / "an editor"
    file.write_text(f"#!/bin/sh\n{command}\n")
    file.chmod(0o755)
    return {"VISUAL": "", "EDITOR": f"'{file}' -w"}


def test_the_focused_prompt_is_edited(tmp_path: Path) -> None:
    does = 'printf "%s [/red]\\nsecond line\\n" "$(cat "$2")" > "$2"'
    terminal = Terminal(SCRIPTED, tmp_path, environment=editor(tmp_path, does))
    terminal.until("Keys")
    terminal.send("a cat")
    terminal.until("a cat")
    terminal.send(CTRL_T)
    terminal.until("a cat [/red]")
    terminal.until("second line")
    terminal.send(SHIFT_TAB)
    terminal.send("fog")
    terminal.until("fog")
    terminal.send(CTRL_T)
    terminal.until(lambda: terminal.text.count("second line") == 2)
    terminal.send("!")
    terminal.until("second line!")
    terminal.send(UP)  # only a line is seen
    terminal.until("fog [/red]")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        ('echo gone > "$2"; exit 1', "ended with an error"),
        (r'printf "gone\351" > "$2"', "The text stays as it was"),
        ('rm "$2"', "The text stays as it was"),
    ],
)
def test_an_editor_that_leaves_nothing_usable_changes_nothing(
    tmp_path: Path, does: str, expected: str
) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, environment=editor(tmp_path, does))
    terminal.until("Keys")
    terminal.send("a cat")
    terminal.until("a cat")
    terminal.send(CTRL_T)
    terminal.until(expected)
    assert "gone" not in terminal.text
    terminal.send("!")
    terminal.until("a cat!")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_termination_signal_while_an_editor_is_open(tmp_path: Path) -> None:
    does = f"touch {tmp_path / 'open'}; exec sleep 60"
    terminal = Terminal(SCRIPTED, tmp_path, environment=editor(tmp_path, does))
    terminal.until("Keys")
    terminal.send(CTRL_T)
    terminal.until((tmp_path / "open").exists)
    assert terminal.process.pid is not None
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.ended() == 128 + signal.SIGTERM


def test_no_such_editor(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, environment={"VISUAL": "", "EDITOR": "/no/such [/b]"})
    terminal.until("Keys")
    terminal.send(CTRL_T)
    terminal.until("can't be started")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_wrong_config_file_is_reported_with_key_and_line(tmp_path: Path) -> None:
    does = 'printf "# mine\\ndevice = \\"tpu\\"\\n" > "$2"'
    terminal = Terminal(SCRIPTED, tmp_path, environment=editor(tmp_path, does))
    terminal.until("Keys")
    terminal.send(F9)
    terminal.until("model_folders")
    terminal.until("SDTUI_PICTURES")
    terminal.send("e")
    terminal.until("line 2: device:")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def with_picture(home: Path, viewer: str) -> Terminal:
    """Return the app with a picture, the gallery focused, and this viewer."""
    terminal = Terminal(SCRIPTED, home, environment={"VIEWER": viewer})
    terminal.until("Keys")
    terminal.send("a cat\x07")
    terminal.until("1/1", 30)
    terminal.send(TAB)
    terminal.until("Star", 30)
    terminal.send("yo")
    return terminal


def test_picture_is_opened_in_the_viewer_which_may_only_print(tmp_path: Path) -> None:
    terminal = with_picture(tmp_path, "echo opened")
    terminal.until("opened", 30)
    terminal.until("goes back to sdtui", 30)
    (picture,) = (tmp_path / "pictures").rglob("*.png")
    assert picture.name in terminal.text.replace("\n", "")
    terminal.send("\r")
    terminal.until("Star", 30)
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_viewer_with_a_window_of_its_own_leaves_the_app_alone(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    program = tmp_path / "viewer"
    program.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    program.chmod(0o755)
    terminal = with_picture(tmp_path, f"'{program}' &")
    terminal.until(opened.exists, 30)
    terminal.until("Star", 30)
    assert "goes back" not in terminal.text
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_viewer_that_is_missing_is_reported(tmp_path: Path) -> None:
    terminal = with_picture(tmp_path, "/no/such/viewer")
    terminal.until("can't be started", 30)
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
