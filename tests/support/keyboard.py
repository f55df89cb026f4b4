"""Press keys in an app without a terminal, and wait until they are handled."""

from __future__ import annotations

import asyncio
import threading
import time
import unicodedata
from collections.abc import Callable
from typing import Any

from textual import events
from textual.app import App
from textual.keys import REPLACED_KEYS, _character_to_key, _get_unicode_name_from_key


def key_event(name: str) -> events.Key:
    """A key event as from a terminal; `name` is a letter or Textual's name of the key."""
    if len(name) == 1:
        return events.Key(name if name.isalnum() else _character_to_key(name), name)
    try:
        named = REPLACED_KEYS.get(name, name)
        return events.Key(name, unicodedata.lookup(_get_unicode_name_from_key(named)))
    except KeyError:
        return events.Key(name, None)


async def settled(app: App[Any]) -> None:
    """Wait until the event loop has nothing to do, and draw the screen.

    Textual's pilot takes an app as idle when its process uses little CPU time, which is also the
    case when other processes keep the cores busy.
    """
    await _all_done()
    app.screen._on_timer_update()
    await _all_done()


async def _all_done() -> None:
    ready = vars(asyncio.get_running_loop())["_ready"]
    await asyncio.sleep(0)
    while ready or _is_checking():
        await asyncio.sleep(0 if ready else 0.001)


def _is_checking() -> bool:
    """True while a thread checks what was written into a field."""
    return any(thread.name == "sdtui-check" for thread in threading.enumerate())


async def until(app: App[Any], condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition holds that another thread or a timer fulfils, and is drawn."""
    end, pause = time.monotonic() + seconds, 0.002
    while not condition():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(pause)
        await settled(app)
        pause = min(1.5 * pause, 0.03)
    await settled(app)


async def press(app: App[Any], *names: str) -> None:
    """Press keys in turn, each after the previous one was handled."""
    for name in names:
        await type_at_once(app, name)


async def type_at_once(app: App[Any], *names: str) -> None:
    """Press keys without waiting for what they do, until the last one was handled."""
    for name in names:
        event = key_event(name)
        event.set_sender(app)
        app.post_message(event)
    await settled(app)
