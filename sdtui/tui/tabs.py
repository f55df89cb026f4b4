"""The tabs of the shelf."""

from __future__ import annotations

from typing import Literal

Tab = Literal["gallery", "recipe", "queue", "info", "log"]

TABS: dict[Tab, str] = {
    "gallery": "Gallery",
    "recipe": "Recipe",
    "queue": "Queue",
    "info": "Info",
    "log": "Log",
}
"""In the order of their numbers, from 1 on."""
