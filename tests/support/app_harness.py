"""A generator that follows a script in place of the engine, and everything else of the app as it
is, in folders of the test's own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from sdtui.core.settings import Settings
from sdtui.history import History
from sdtui.jobs import JobQueue, QueueFile
from sdtui.monitor import Monitor
from sdtui.tui.app import SdtuiApp
from sdtui.tui.services import AppServices
from tests.support.keyboard import press, settled
from tests.support.scripted_generator import ScriptedGenerator


class StillMonitor(Monitor):
    """Takes no samples of its own accord."""

    def start(self, on_sample: Callable[..., object] | None = None) -> None:
        """Nothing."""
        self.has_sampled.set()


class AppHarness:
    """An app under test."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.generator = ScriptedGenerator()
        self.settings = Settings(pictures=folder / "pictures", **settings)
        self.history = History(self.settings.pictures, folder / "index.db")
        self.queue = JobQueue(self.settings, self.history, lambda _: self.make_generator())
        self.queue_file = QueueFile(folder)
        self.monitor = StillMonitor()
        services = AppServices(self.queue, self.history, self.queue_file, self.monitor)
        self.app = SdtuiApp(self.settings, lambda: services)
        self.pilot: Pilot[int]

    def make_generator(self) -> Any:
        """What makes the pictures; called on the worker's thread."""
        return self.generator

    def close(self) -> None:
        """End what works behind the app."""
        self.queue.close(5)
        self.history.close()

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until something holds that another thread or the clock brings about."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never came"
            await asyncio.sleep(0.005)
            await self.settled()

    async def settled(self) -> None:
        """Wait until all that keys and messages set off has happened and is seen."""
        await settled(self.app)

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await press(self.app, *keys)

    async def write(self, text: str) -> None:
        """Type into what has the focus."""
        await self.press(*text)

    def list_is_read(self) -> bool:
        """Whether the history pane waits for nothing from the disk."""
        return all(worker.node is not self.app.main.panes.history for worker in self.app.workers)

    @property
    def at_main(self) -> bool:
        """Whether nothing lies over the window."""
        return self.app.screen is self.app.main

    def ask_for(self, prompt: str, **fields: str) -> None:
        """Fill the form."""
        self.app.main.generation.fill({"prompt": prompt, **fields})

    async def generate(self, prompt: str = "a cat", **fields: str) -> None:
        """Fill the form and press the key."""
        self.ask_for(prompt, **fields)
        await self.press(self.settings.keys.get("window.generate", "ctrl+g"))

    async def finished(self) -> None:
        """Wait until the job is over and its picture is listed."""
        await self.until(lambda: self.app.main.queue.presenter.progress.outcome is not None)


def nothing_is_read() -> bool:
    """Whether no thread reads models or the history beside a window."""
    return all(thread.name != "sdtui-background" for thread in threading.enumerate())


@asynccontextmanager
async def running(
    bench: AppHarness, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[AppHarness]:
    """Run the app of `bench` without a terminal."""
    async with bench.app.run_test(size=size, notifications=True) as pilot:
        bench.pilot = pilot
        await bench.until(bench.monitor.has_sampled.is_set)
        await bench.until(nothing_is_read)
        await bench.settled()
        await bench.until(bench.list_is_read)
        await bench.settled()
        yield bench
    bench.close()
