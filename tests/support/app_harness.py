"""The real app with a scripted generator in place of the engine, in folders of the test."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.notifications import SeverityLevel
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.settings import Settings
from sdtui.jobs.backends.local import LocalBackend
from sdtui.monitor import Monitor
from sdtui.tui.app import SdtuiApp
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.panes.collection import Panes
from sdtui.tui.terminal_app import TerminalApp
from tests.support.keyboard import press, settled, type_at_once, until
from tests.support.scripted_generator import ScriptedGenerator


class StillMonitor(Monitor):
    """A monitor that takes no samples."""

    def start(self, on_sample: Callable[..., object] | None = None) -> None:
        self.has_sampled.set()


class RecordedMessages(TerminalApp):
    """Remembers the messages that an app shows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.messages: list[str] = []

    def show_message(
        self, message: str, title: str, severity: SeverityLevel, timeout: float | None
    ) -> None:
        self.messages.append(message)
        super().show_message(message, title, severity, timeout)


class RecordingApp(RecordedMessages, SdtuiApp):
    """The app, which remembers its messages."""


class AppHarness:
    """The app, its backend, and actions of a user."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.generator = ScriptedGenerator()
        self.settings = Settings(pictures=folder / "pictures", **settings)
        self.history_file = folder / "index.db"
        self.backend = LocalBackend(
            self.settings,
            queue_folder=folder,
            index_file=self.history_file,
            make_generator=lambda _: self.make_generator(),
            make_monitor=StillMonitor,
        )
        self.history = self.backend.pictures
        self.queue = self.backend.jobs
        self.monitor = self.backend.hardware
        self.app = RecordingApp(self.settings, lambda: self.backend)
        self.pilot: Pilot[int]

    def make_generator(self) -> Any:
        """Return the generator; called on the worker's thread."""
        return self.generator

    def close(self) -> None:
        """Close the queue and the history."""
        self.queue.close(5)
        self.history.close()

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until a condition holds that another thread or a timer fulfils, and is drawn."""
        await until(self.app, condition, seconds)

    async def settled(self) -> None:
        """Wait until all messages are handled and the screen is drawn."""
        await settled(self.app)

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await press(self.app, *keys)

    async def type_at_once(self, *keys: str) -> None:
        """Press keys without waiting for what they do, until the last one is handled."""
        await type_at_once(self.app, *keys)

    async def write(self, text: str) -> None:
        """Type into the focused widget."""
        await self.type_at_once(*text)

    def list_is_read(self) -> bool:
        """True if the gallery is not reading."""
        return all(worker.node is not self.panes.gallery for worker in self.app.workers)

    @property
    def panes(self) -> Panes:
        """The panes of the main screen."""
        return self.app.main.panes

    @property
    def texts(self) -> dict[str, str]:
        """The text of every field of the form."""
        return self.app.recipe.texts

    async def go_to_field(self, name: str) -> None:
        """Open the form and focus a field of it."""
        self.app.main.window.show_tab("recipe")
        self.panes.recipe.focus_field(name)
        await self.settled()

    def problem(self) -> str:
        """Return what the form says is wrong; "" if nothing is."""
        reason = self.panes.recipe.query_one("#reason", Static)
        return str(reason.render()) if reason.has_class("-wrong") else ""

    @property
    def progress(self) -> ShownProgress:
        """The progress that is shown."""
        return self.app.main.queue.presenter.progress

    def notifications(self) -> list[str]:
        """The messages that were shown, oldest first."""
        return self.app.messages

    @property
    def last_notification(self) -> str:
        """The newest message; empty if there was none."""
        return next(reversed(self.notifications()), "")

    def screen_strips(self) -> list[Strip]:
        """Every line on the screen, with its styles."""
        return self.app.screen._compositor.render_strips()

    def screen_text(self) -> str:
        """Every line on the screen, without styles."""
        return "\n".join(strip.text for strip in self.screen_strips())

    def record_drawn(self, monkeypatch: pytest.MonkeyPatch) -> set[Widget]:
        """Return a set to which every widget of the main screen is added when it is drawn."""
        drawn: set[Widget] = set()
        compositor = self.app.main._compositor
        update = compositor.update_widgets

        def record(widgets: set[Widget]) -> None:
            drawn.update(widgets)
            update(widgets)

        monkeypatch.setattr(compositor, "update_widgets", record)
        return drawn

    @property
    def at_main(self) -> bool:
        """True if no dialog is open."""
        return self.app.screen is self.app.main

    def fill_form(self, prompt: str, **fields: str) -> None:
        self.app.recipe.change({"prompt": prompt, **fields})

    async def generate(self, prompt: str = "a cat", **fields: str) -> None:
        """Fill the form and press the key that generates."""
        self.fill_form(prompt, **fields)
        await self.press(self.settings.keys.get("window.generate", "ctrl+g"))

    async def finished(self) -> None:
        """Wait until the job has ended."""
        await self.until(lambda: self.progress.outcome is not None)


def no_background_thread() -> bool:
    """True if no background thread reads models or the history."""
    return all(thread.name != "sdtui-background" for thread in threading.enumerate())


@asynccontextmanager
async def running(
    harness: AppHarness, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[AppHarness]:
    """Run the app of `harness` without a terminal."""
    async with harness.app.run_test(size=size, notifications=True) as pilot:
        harness.pilot = pilot
        await harness.until(harness.monitor.has_sampled.is_set)
        await harness.until(no_background_thread)
        await harness.settled()
        await harness.until(harness.list_is_read)
        await harness.settled()
        yield harness
    harness.close()


@asynccontextmanager
async def at_gallery(
    harness: AppHarness, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[AppHarness]:
    """Run the app with the focus in the gallery."""
    async with running(harness, size):
        gallery = harness.panes.gallery
        await harness.press("f4")
        await harness.until(lambda: gallery.grid.has_focus and gallery.selected)
        await harness.settled()
        yield harness
