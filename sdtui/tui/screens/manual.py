"""The manual in the app, opened at the section about the focused widget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from sdtui.core.text import visible
from sdtui.docs import TOPICS, plain_links, read_page, sections
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.widgets.key_scroll import KeyScroll
from sdtui.tui.widgets.markdown_text import ThemedMarkdown

SECTIONS: Mapping[str, str] = {
    "dock": "generate#prompts",
    "recipe": "app#recipe",
    "queue": "app#queue",
    "stage": "app#pictures",
    "log": "app#log",
    "gallery": "app#gallery",
    "info": "app#info",
    "ModelScreen": "models",
    "SettingsScreen": "configuration",
    "PictureScreen": "app#full-screen",
    "CompareScreen": "app#compare",
    "MaskScreen": "pictures#masks",
    "TrainingScreen": "training#in-the-app",
    "NewTrainingScreen": "training#in-the-app",
    "CaptionScreen": "training#the-editor-of-captions",
}
"""The id of a pane, or the class of a screen over the window → "topic#heading" of the manual."""


def section_for(screen: Screen[object]) -> str:
    """Return the section about the focused widget of a screen, else about the screen itself."""
    inner_first = screen.focused.ancestors_with_self if screen.focused else [screen]
    names = (name for node in inner_first for name in (node.id or "", type(node).__name__))
    return next((SECTIONS[name] for name in names if name in SECTIONS), "app")


class ManualScreen(Dialog[None]):
    """A page of the manual, from one of its sections on. Rich renders it: Textual's own Markdown
    takes a second to mount a page with tables, in which no key is answered."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("viewer"), *bindings_in("manual")]

    def __init__(self, section: str) -> None:
        super().__init__()
        self._topic, _, self._heading = section.partition("#")
        self._box = KeyScroll(classes="dialog -page")

    @property
    def topic(self) -> str:
        return self._topic

    def compose(self) -> ComposeResult:
        yield self._box

    async def on_mount(self) -> None:
        await self._show()

    async def _show(self) -> None:
        place = list(TOPICS).index(self._topic) + 1
        self._box.border_title = f"Manual: {self._topic} ({place} of {len(TOPICS)})"
        self._box.border_subtitle = "esc Back"
        parts = {
            heading: Static(ThemedMarkdown(self.app, text))
            for heading, text in sections(plain_links(visible(read_page(self._topic)))).items()
        }
        async with self.batch():
            await self._box.remove_children()
            await self._box.mount_all(parts.values())
        self._box.focus()
        if first := parts.get(self._heading):
            self.call_after_refresh(self._box.scroll_to_widget, first, animate=False, top=True)

    async def action_next_page(self) -> None:
        await self._turn(1)

    async def action_previous_page(self) -> None:
        await self._turn(-1)

    async def _turn(self, pages: int) -> None:
        topics = list(TOPICS)
        self._topic = topics[(topics.index(self._topic) + pages) % len(topics)]
        self._heading = ""
        self._box.scroll_home(animate=False)
        await self._show()

    def action_close(self) -> None:
        self.answer(None)
