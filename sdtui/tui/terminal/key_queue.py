"""Handling keys in the order in which they were pressed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from textual import events
from textual.app import App
from textual.dom import DOMNode

_LOST_AFTER_SECONDS = 5.0
"""Seconds after which a key counts as lost, in case its widget was removed."""

Typed = events.Key | events.Paste
Then = Callable[[Typed], Awaitable[None]]


@runtime_checkable
class Editor(Protocol):
    """A widget that handles some keys itself, one after the other, and keeps the focus."""

    def handles_itself(self, typed: Typed) -> bool:
        """Return True if the editor handles this itself."""
        ...


class KeyQueue:
    """Serialises key events: a key is dispatched only after the handlers and actions of the key
    before have run.

    Textual sends a key to the widget that has the focus when the key arrives, and runs the action
    that it is bound to only after the event has bubbled up to the screen. Letters typed after tab,
    enter or backspace can overtake them, and on a busy machine they do.

    Keys that an `Editor` handles itself needn't wait: letters come quickly, and each would be drawn
    before the next is handled. Other keys wait until the editor has handled all of them.
    """

    def __init__(self, app: App[int], take: Then) -> None:
        """`take` dispatches an event as Textual would do it at once."""
        self._app = app
        self._take = take
        self._waiting: deque[Typed] = deque()
        self._begun = False
        self._busy: DOMNode | None = None
        """The editor that may not have handled all of its keys yet."""
        self._since = 0.0
        self.last = 0.0
        """When the last key came, by `time.monotonic`; 0 before the first."""

    async def put(self, typed: Typed) -> None:
        """Handle an event now, or when its turn comes."""
        self.last = time.monotonic()
        self._waiting.append(typed)
        first = self._waiting[0]
        if not self._begun:
            return
        if first is typed:
            await self._take_waiting()
        elif time.monotonic() - self._since > _LOST_AFTER_SECONDS:
            await self._done(first)

    async def begin(self) -> None:
        """Handle the keys typed before the window was visible, and then each new one."""
        self._begun = True
        await self._take_waiting()

    async def _take_waiting(self) -> None:
        """Dispatch waiting events up to one whose effects have to be awaited."""
        while self._waiting:
            self._since = time.monotonic()
            first, focused = self._waiting[0], self._app.focused
            if isinstance(focused, Editor) and focused.handles_itself(first):
                self._busy = focused
                await self._take(first)
                if not self._waiting or self._waiting[0] is not first:
                    return  # it counted as lost meanwhile, and others were taken
                self._waiting.popleft()
            elif self._busy is not None:
                busy, self._busy = self._busy, None
                way = busy.ancestors_with_self
                self._follow(first, way, self._app.screen, self._take_followed)
                return
            else:
                await self._take_followed(first)
                return

    async def _take_followed(self, first: Typed) -> None:
        before = self._app.screen
        way = (self._app.focused or before).ancestors_with_self
        await self._take(first)
        # Twice: once for the key, and once for the message that says what it did.
        self._follow(first, [*way, *way], before, self._done)

    async def _done(self, typed: Typed) -> None:
        """Continue with the next event, unless that was done already."""
        if self._waiting and self._waiting[0] is typed:
            self._waiting.popleft()
            await self._take_waiting()

    def _follow(self, typed: Typed, way: Sequence[DOMNode], before: DOMNode, then: Then) -> None:
        """Call `then` behind the event on its way up the widgets. If the event opened another
        screen, wait until that one can take keys."""
        for place, node in enumerate(way, 1):
            if node.call_later(self._follow, typed, way[place:], before, then):
                return
        now = self._app.screen
        if now is before or not now.call_later(self._app.call_later, then, typed):
            self._app.call_later(then, typed)
