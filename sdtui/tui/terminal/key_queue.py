"""Keys take effect in the order in which they were pressed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from textual import events
from textual.app import App
from textual.dom import DOMNode

from sdtui.tui.terminal.driver import InputParser

_PATIENCE = 5.0
"""Seconds after which a key is taken for lost, should a widget have gone away with it."""

Typed = events.Key | events.Paste
Then = Callable[[Typed], Awaitable[None]]


@runtime_checkable
class Editor(Protocol):
    """A widget that carries out some keys by itself, one after the other, and keeps the focus."""

    def does_itself(self, typed: Typed) -> bool:
        """Whether this is such a key."""
        ...


class KeyQueue:
    """Where what is typed waits until all is done that the key before set off.

    Textual hands a key to the widget that has the focus when the key arrives, and carries out what
    it is bound to only after it has gone up through all that lies around that widget. Letters typed
    behind tab, enter or backspace would overtake them there, and on a busy machine they do.

    What an `Editor` does itself needn't wait: letters come quickly, and each would be drawn before
    the next is looked at. Other keys wait until the editor has done all of them.
    """

    def __init__(self, app: App[int], take: Then, early: str = "") -> None:
        """`take` hands something typed to the app, as Textual would do it at once. `early` is what
        the terminal sent before the app was there."""
        self._app = app
        self._take = take
        sent = InputParser().feed(early)
        self._waiting = deque(each for each in sent if isinstance(each, Typed))
        self._begun = False
        self._busy: DOMNode | None = None
        """The editor that may not have done yet all that it was given."""
        self._since = 0.0
        self.last = 0.0
        """When something was typed last, by `time.monotonic`; 0 before anything was."""

    async def put(self, typed: Typed) -> None:
        """Take it now, or when its turn comes."""
        self.last = time.monotonic()
        self._waiting.append(typed)
        first = self._waiting[0]
        if not self._begun:
            return
        if first is typed:
            await self._take_first()
        elif time.monotonic() - self._since > _PATIENCE:
            await self._done(first)

    async def begin(self) -> None:
        """The window is there: take what was typed while it was not."""
        self._begun = True
        if self._waiting:
            await self._take_first()

    async def _take_first(self) -> None:
        self._since = time.monotonic()
        first, focused = self._waiting[0], self._app.focused
        if isinstance(focused, Editor) and focused.does_itself(first):
            self._busy = focused
            await self._take(first)
            await self._done(first)
        elif self._busy is not None:
            busy, self._busy = self._busy, None
            self._follow(first, busy.ancestors_with_self, self._app.screen, self._take_followed)
        else:
            await self._take_followed(first)

    async def _take_followed(self, first: Typed) -> None:
        before = self._app.screen
        way = (self._app.focused or before).ancestors_with_self
        await self._take(first)
        # Twice: once for the key, and once for the message that says what it did.
        self._follow(first, [*way, *way], before, self._done)

    async def _done(self, typed: Typed) -> None:
        """On to the next, unless that was done already."""
        if self._waiting and self._waiting[0] is typed:
            self._waiting.popleft()
            if self._waiting:
                await self._take_first()

    def _follow(self, typed: Typed, way: Sequence[DOMNode], before: DOMNode, then: Then) -> None:
        """Go the way that what was typed last goes, always behind it. Where it opened another
        screen, wait until that one can take keys."""
        for place, node in enumerate(way, 1):
            if node.call_later(self._follow, typed, way[place:], before, then):
                return
        now = self._app.screen
        if now is before or not now.call_later(self._app.call_later, then, typed):
            self._app.call_later(then, typed)
