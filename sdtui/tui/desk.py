"""What the app works with. Tests put scripted parts in their place."""

from __future__ import annotations

from dataclasses import dataclass

from textual.widget import Widget

from sdtui.core.settings import Settings
from sdtui.history import History
from sdtui.jobs import JobQueue, QueueFile
from sdtui.monitor import Monitor


@dataclass(frozen=True)
class Desk:
    """Queue, history, monitor and what is known of the terminal."""

    settings: Settings
    queue: JobQueue
    history: History
    queue_file: QueueFile
    monitor: Monitor
    drawn_by: type[Widget] | None = None
    """Draws finished pictures; None means half-cells."""
    over_ssh: bool = False
