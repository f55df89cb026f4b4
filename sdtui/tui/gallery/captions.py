"""What stands under pictures of the gallery, and above groups of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from sdtui.core.text import one_line

if TYPE_CHECKING:
    from sdtui.history import Entry

MOST_CHARACTERS = 400
"""Of a prompt that are looked at: more than fit on a line."""

_WIDE = 45
"""Columns from which a line about a picture has its seed."""
_ROOM_FOR_PROMPT = 20
"""Columns from which a heading has the prompt."""


@dataclass(frozen=True)
class CaptionStyles:
    """The theme's colours for captions."""

    muted: Style
    star: Style
    mark: Style
    found: Style
    running: Style


def age(moment: datetime, now: datetime) -> str:
    """Say how long ago something was, shortly."""
    seconds = (now - moment).total_seconds()
    if 0 <= seconds < 60:
        return "just now"
    if 0 <= seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    day = day_name(moment, now)
    return f"{day} {moment:%H:%M}"


def day_name(moment: datetime, now: datetime) -> str:
    """Name a day: today, yesterday, Fri 27 Nov, or 2025-11-27."""
    days = now.date() - moment.date()
    if days == timedelta(0):
        return "today"
    if days == timedelta(days=1):
        return "yesterday"
    if timedelta(0) < days < timedelta(days=300):
        return f"{moment:%a} {moment.day} {moment:%b}"
    return f"{moment:%Y-%m-%d}"


def seed_end(seed: int | None) -> str:
    """Return the last digits of a seed, enough to tell a job's pictures apart."""
    if seed is None:
        return ""
    text = str(seed)
    return text if len(text) <= 4 else f"…{text[-3:]}"


def first_words(prompt: str, width: int) -> str:
    """Return the beginning of a prompt without an article, in whole words if they fill most of the
    width."""
    text = one_line(prompt[:MOST_CHARACTERS])
    for article in ("a ", "an ", "the "):
        if text.lower().startswith(article):
            text = text[len(article) :]
    if len(text) <= width:
        return text
    cut = text[: width + 1].rpartition(" ")[0].rstrip(",.;:")
    return cut if len(cut) > width / 2 else f"{text[: width - 1]}…"


def caption(
    entry: Entry,
    number: int | None,
    width: int,
    styles: CaptionStyles,
    *,
    has_cursor: bool,
    is_marked: bool,
) -> Text:
    """Return the line under a picture: its number in its job and the end of its seed, or the first
    words of a single picture's prompt."""
    text = Text("▸" if has_cursor else " ", no_wrap=True)
    if is_marked:
        text.append("◆", styles.mark)
    if number is not None:
        text.append(str(number))
        text.append("★" if entry.starred else " ", styles.star)
        seed = seed_end(entry.seed)
        if len(text) + len(seed) <= width:
            text.append(" " * max(0, min(4, width - len(seed)) - len(text)))
            text.append(seed, styles.muted)
    else:
        space = width - len(text) - (2 if entry.starred else 0)
        text.append(first_words(entry.prompt, max(1, space)) or "(no prompt)")
        text.append(" ★" if entry.starred else "", styles.star)
    text.truncate(width, pad=True)
    return text


def list_line(
    entry: Entry,
    width: int,
    styles: CaptionStyles,
    now: datetime,
    found: Sequence[tuple[int, int]],
    *,
    has_cursor: bool,
    is_marked: bool,
) -> Text:
    """Return a line of the list: marks, prompt, and if there is space, model, seed and time."""
    text = Text("▸" if has_cursor else " ", no_wrap=True)
    text.append("◆" if is_marked else " ", styles.mark)
    text.append("★ " if entry.starred else "  ", styles.star)
    right = age(entry.time, now)
    if width >= 60:
        seed = "" if entry.seed is None else str(entry.seed)
        right = f"{seed:>10}  {right:>12}"
    if width >= 80:
        right = f"{one_line(entry.model)[-18:]:>18}  {right}"
    text.append_text(prompt_text(entry.prompt, found, styles))
    text.truncate(max(1, width - len(right) - 2), overflow="ellipsis", pad=True)
    return text.append(f"  {right}", styles.muted)


def prompt_text(prompt: str, found: Sequence[tuple[int, int]], styles: CaptionStyles) -> Text:
    """Return a prompt on one line, with the found words highlighted."""
    beginning = prompt[:MOST_CHARACTERS]
    if not beginning.strip():
        return Text("(no prompt)", styles.muted)
    text, end = Text(no_wrap=True), 0
    for start, after in found:
        text.append(_inner_line(beginning[end:start]))
        text.append(_inner_line(beginning[start:after]), styles.found)
        end = max(end, after)
    return text.append(_inner_line(beginning[end:]))


def _inner_line(part: str) -> str:
    """Return a part of a text on one line; blanks at its ends part it from its neighbours."""
    line = one_line(part)
    before = " " if part[:1].isspace() else ""
    after = " " if part[-1:].isspace() and line else ""
    return f"{before}{line}{after}"


def heading(
    entry: Entry,
    count: int,
    now: datetime,
    found: Sequence[tuple[int, int]],
    styles: CaptionStyles,
    width: int,
) -> Text:
    """Return the heading of some pictures of a job: their age, prompt, and number."""
    text = Text(age(entry.time, now), styles.muted, no_wrap=True)
    if width >= _ROOM_FOR_PROMPT:
        text.append(" · ").append_text(prompt_text(entry.prompt, found, styles))
    times = f" ×{count}"
    text.truncate(max(1, width - len(times)), overflow="ellipsis")
    return text.append(times, styles.muted)


def about(
    entry: Entry, now: datetime, found: Sequence[tuple[int, int]], styles: CaptionStyles, width: int
) -> Text:
    """Return a line about one picture; the seed where there is space."""
    seed = "" if entry.seed is None or width < _WIDE else f"seed {entry.seed} · "
    text = Text(f"{age(entry.time, now)} · {seed}", styles.muted, no_wrap=True)
    text.append_text(prompt_text(entry.prompt, found, styles))
    text.truncate(width, overflow="ellipsis")
    return text


def details(entry: Entry, styles: CaptionStyles, width: int) -> Text:
    """Return a line about one picture of a job: its seed, tags, and values that fit."""
    parts = [
        "" if entry.seed is None else f"seed {entry.seed}",
        " ".join(f"#{tag}" for tag in entry.tags),
        f"{entry.width}×{entry.height}",
        entry.model,
        entry.sampler,
    ]
    text = Text(one_line(" · ".join(filter(None, parts))), styles.muted, no_wrap=True)
    text.truncate(width, overflow="ellipsis")
    return text


def forming_heading(prompt: str, count: int, styles: CaptionStyles, width: int) -> Text:
    """Return the heading of the pictures of the running job."""
    text = Text("now", styles.running, no_wrap=True)
    if width >= _ROOM_FOR_PROMPT:
        text.append(" · ").append_text(prompt_text(prompt, (), styles))
    times = f" ×{count}" if count > 1 else ""
    text.truncate(max(1, width - len(times)), overflow="ellipsis")
    return text.append(times, styles.muted)


def day_heading(first: datetime, last: datetime, now: datetime, styles: CaptionStyles) -> Text:
    """Return the heading of single pictures: their day, or from which to which they are."""
    names = list(dict.fromkeys(day_name(each, now) for each in (first, last)))
    return Text(" – ".join(names), styles.muted, no_wrap=True)
