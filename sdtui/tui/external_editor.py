"""Editing a text or a file in $EDITOR."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

from textual.app import App, SuspendNotSupported

from sdtui.core.text_files import UnreadableTextError, decode_text


class ExternalEditor:
    """Runs $VISUAL or $EDITOR in the app's terminal. Problems are shown as notifications."""

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
        try:
            with self._app.suspend():
                problem = _run(editor, file)
        except SuspendNotSupported as error:
            problem = f"{editor} can't be started: {error}"
        self._app.refresh(layout=True)
        if problem:
            self._app.notify(problem, severity="error")
        return not problem


def _run(editor: str, file: Path) -> str:
    """Return the problem, or "". Never raises: Textual wouldn't resume the app."""
    try:
        code = _exit_code([*shlex.split(editor), str(file)])
    except (OSError, ValueError) as error:
        return f"{editor} can't be started: {error}"
    return f"{editor} ended with an error, so nothing was taken over." if code else ""


def _exit_code(command: list[str]) -> int:
    """Run a command and return its exit code. SIGTERM ends the command first: the event loop, which
    would handle the signal, is blocked."""
    with subprocess.Popen(command) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
