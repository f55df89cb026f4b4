"""The processes that belong to sdtui: this one and those of its workers."""

from __future__ import annotations

import psutil


def own_processes() -> tuple[psutil.Process, ...]:
    """Return this process and its children."""
    process = psutil.Process()
    return (process, *process.children())
