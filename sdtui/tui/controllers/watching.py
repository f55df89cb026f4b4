"""Noticing pictures that other programs make."""

from __future__ import annotations

import logging
from typing import Any

from textual.screen import Screen

from sdtui.core.errors import SdtuiError
from sdtui.tui.background import run_in_background
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.pictures import refresh
from sdtui.tui.messages import HistoryRead

_log = logging.getLogger(__name__)


class HistoryWatcher:
    """Posts HistoryRead to the screen when another process has changed the history."""

    def __init__(self, context: AppContext, screen: Screen[Any]) -> None:
        self._context = context
        self._screen = screen
        self._seen: int | None = None

    def check(self) -> None:
        """Look whether another process has changed the index. Called on the monitor's thread."""
        try:
            changes = self._context.backend.pictures.changes_by_others()
        except SdtuiError as error:  # the gallery shows it when it reads
            _log.info("the history can't be watched: %s", error)
            return
        if self._seen is not None and changes != self._seen:
            self._screen.post_message(HistoryRead())
        self._seen = changes

    def focus_changed(self, has_focus: bool) -> None:
        """Update the index when the user is back: files may have been moved, copied or deleted."""
        if has_focus:
            pictures = self._context.backend.pictures
            run_in_background(self._screen, lambda: refresh(pictures))
