"""Editing a text or a file in $EDITOR, and opening a picture in a viewer."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL

from textual.app import App, SuspendNotSupported

from sdtui.core.text_files import UnreadableTextError, decode_text

_AT_ONCE_SECONDS = 1.0
_ASK_FOR_ENTER = "\n⏎ goes back to sdtui "


class ExternalEditor:
    """Runs $VISUAL, $EDITOR or a viewer in the app's terminal. Problems are shown as
    notifications."""

    def __init__(self, app: App[int]) -> None:
        self._app = app

    def edit_text(self, text: str, suffix: str = ".txt") -> str | None:
        """Return the edited text, or None if it couldn't be edited."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / f"prompt{suffix}"
                file.write_text(text, encoding="utf-8")
                if not self.edit_file(file):
                    return None
                return decode_text(file.read_bytes()).rstrip("\r\n")
        except (OSError, UnreadableTextError) as error:
            self._app.notify(f"The text stays as it was: {error}", severity="error")
            return None

    def edit_file(self, file: Path) -> bool:
        """Open a file while the app is suspended. Returns True if the editor succeeded."""
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        return self._run(lambda: _run(editor, file, "so nothing was taken over"))

    def show_file(self, viewer: str, file: Path) -> bool:
        """Open a file in a viewer. While the viewer runs the app is suspended, unless its command
        ends with "&". Returns True if the viewer succeeded."""
        if not viewer.endswith("&"):
            return self._run(lambda: _view(viewer, file))
        problem = _start(viewer[:-1], file)
        if problem:
            self._app.notify(problem, severity="error")
        return not problem

    def _run(self, work: Callable[[], str]) -> bool:
        """Suspend the app while `work`, which returns a problem or "", is done."""
        try:
            with self._app.suspend():
                problem = work()
        except SuspendNotSupported as error:
            problem = f"The app can't be suspended: {error}"
        self._app.refresh(layout=True)
        if problem:
            self._app.notify(problem, severity="error")
        return not problem


def _run(program: str, file: Path, consequence: str) -> str:
    """Return the problem, or "". Never raises: Textual wouldn't resume the app."""
    try:
        command = [*shlex.split(program), str(file)]
        code = _exit_code(command)
    except (OSError, ValueError) as error:
        return f"{program} can't be started: {error}"
    return f"{Path(command[0]).name} ended with an error, {consequence}." if code else ""


def _view(viewer: str, file: Path) -> str:
    """Run a viewer and return the problem, or "". What one that only prints has left on the screen
    stays there until enter is pressed."""
    begun = time.monotonic()
    problem = _run(viewer, file, "and may have shown nothing")
    if not problem and time.monotonic() - begun < _AT_ONCE_SECONDS:
        with suppress(EOFError):
            input(_ASK_FOR_ENTER)
    return problem


def _start(viewer: str, file: Path) -> str:
    """Start a viewer that has a window of its own. Returns the problem, or ""."""
    command = [*shlex.split(viewer), str(file)]
    try:
        subprocess.Popen(
            command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
    except OSError as error:
        return f"{viewer.strip()} can't be started: {error}"
    return ""


def _exit_code(command: list[str]) -> int:
    """Run a command and return its exit code. SIGTERM ends the command first: the event loop, which
    would handle the signal, is blocked."""
    with subprocess.Popen(command) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
