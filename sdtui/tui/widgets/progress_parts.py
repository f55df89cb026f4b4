"""The state of the running job and the queue, as pieces of a line."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.app import App

from sdtui.core.text import one_line
from sdtui.core.units import clock_duration, step_rate
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.styles import LEVEL_SIGNS, ThemeColour, theme_style
from sdtui.tui.widgets.line_parts import Part, fixed, shortenable

_BAR = (6, 10, 20)
"""The least, usual and most columns of a bar."""
_MESSAGE = (16, 30)
"""The least and usual columns of a message."""


def progress_parts(
    app: App[object], now: ShownProgress, queued: tuple[int, float | None], *, paused: bool
) -> list[Part]:
    """Return the pieces, the most important of rank 0."""
    if now.is_active:
        parts = _active(app, now)
    elif now.outcome is not None:
        sign, role = LEVEL_SIGNS[now.outcome]
        parts = [_message(app, sign + one_line(now.message), role)]
    elif now.message:
        parts = [_message(app, one_line(now.message), "muted")]
    else:
        parts = []
    return parts + _queue(app, queued, paused=paused, follows=bool(parts))


def _message(app: App[object], text: str, role: ThemeColour) -> Part:
    return shortenable(0, text, theme_style(app, role), *_MESSAGE)


def _active(app: App[object], now: ShownProgress) -> list[Part]:
    running, muted = theme_style(app, "running"), theme_style(app, "muted")
    if now.stopping:
        text = f"◌ {now.count} {now.stopping}" if now.count else f"◌ {now.stopping}"
        parts = [_message(app, text, "warning")]
    else:
        parts = [_message(app, f"{_sign(now)} {_place(now)}", "running")]
    if now.total:
        share = now.step / now.total
        rest = theme_style(app, "track")
        parts.append(Part(5, lambda width: bar(share, width - 1, running, rest), *_BAR))
    if now.speed:
        parts.append(fixed(3, f" {clock_duration(now.remaining)}", theme_style(app, "plain")))
        parts.append(fixed(10, f"  {step_rate(now.speed)}", muted))
    if now.which:
        parts.append(fixed(8, f" · {now.which}", muted))
    if now.attempt > 1:
        parts.append(fixed(4, f" · attempt {now.attempt}", theme_style(app, "warning")))
    return parts


def _sign(now: ShownProgress) -> str:
    return "↓" if now.stage == "downloading" else "▶"


def _place(now: ShownProgress) -> str:
    """Return where a job stands: its step, or its stage with what is being read."""
    if now.speed and now.is_running:
        return now.count
    words = [now.stage, one_line(now.message), now.count]
    return " ".join(word for word in words if word)


def _queue(
    app: App[object], queued: tuple[int, float | None], *, paused: bool, follows: bool
) -> list[Part]:
    jobs, seconds = queued
    separator = " · " if follows else ""
    parts = []
    if paused:
        parts.append(fixed(1, f"{separator}‖ paused", theme_style(app, "warning")))
        separator = " · "
    if jobs:
        parts.append(fixed(2, f"{separator}{jobs} queued", theme_style(app, "queued")))
        if seconds is not None:
            parts.append(fixed(6, f" {clock_duration(seconds)}", theme_style(app, "queued")))
    return parts


def bar(share: float, columns: int, done: Style, rest: Style) -> Text:
    """Return a blank and a bar of which a share, from 0 to 1, is thick."""
    halves = round(max(0.0, min(1.0, share)) * columns * 2)
    full, half = divmod(halves, 2)
    line = Text(" ").append("━" * full + "╸" * half, done)
    return line.append("─" * (columns - full - half), rest)
