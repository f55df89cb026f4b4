"""The app in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend
    from sdtui.tui.mask_editor.editor import MaskEditor


def run_app(settings: Settings, open_backend: Callable[[float], Backend]) -> int:
    """Run the app until the user quits; returns the exit code.

    `open_backend` is called once the window is visible, with the seconds between two samples of the
    hardware. Without a terminal the app prints what to use instead, and returns 2.
    """
    from sdtui.tui.launch import launch

    return launch(settings, open_backend)


def draw_mask(settings: Settings, editor: MaskEditor, *, may_be_empty: bool = False) -> bool:
    """Let the user draw a mask in the terminal. Returns False if it isn't to be used.

    `may_be_empty` says that it may be an empty one. Raises OutputError if there is no terminal.
    """
    from sdtui.tui.launch import launch_mask_editor

    return launch_mask_editor(settings, editor, may_be_empty=may_be_empty)


def edit_captions(settings: Settings, folder: Path) -> int:
    """Let the user edit the captions of a folder in the terminal; returns the exit code. Raises
    OutputError if there is no terminal."""
    from sdtui.tui.launch import launch_caption_editor

    return launch_caption_editor(settings, folder)
