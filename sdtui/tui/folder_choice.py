"""Asking for a folder of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App

from sdtui.core.paths import is_folder
from sdtui.core.typed_paths import PathTextError, parse_typed_path
from sdtui.tui.screens.dialogs import AskScreen


def ask_for_folder(app: App[Any], title: str, take: Callable[[Path], object]) -> None:
    """Let the user write the path of a folder, and call `take` with it."""

    def answer(text: str | None) -> None:
        if text is not None:
            take(parse_typed_path(text).absolute())

    app.push_screen(AskScreen(title, hint="the path of a folder", problem_of=_problem_of), answer)


def _problem_of(text: str) -> str:
    """Return why a text names no folder; "" if it does."""
    if not text.strip():
        return "Write the path of a folder."
    try:
        return "" if is_folder(parse_typed_path(text)) else "There is no such folder here."
    except PathTextError as error:
        return f"It {error}."
