"""A generator that follows a script in place of the engine, and everything else of the app as it
is, in folders of the test's own."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image
from textual.pilot import Pilot

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import CancelledError, GenerationError, SdtuiError
from sdtui.core.settings import Settings
from sdtui.history import History
from sdtui.jobs import JobQueue, QueueFile
from sdtui.monitor import Monitor
from sdtui.requests import events
from sdtui.requests.record import (
    AttemptRecord,
    GenerationRecord,
    ImageRecord,
    ImageSettings,
    ModelRecord,
    Stage,
)
from sdtui.requests.request import GenerationRequest
from sdtui.tui.app import SdtuiApp
from sdtui.tui.services import AppServices
from tests.support.keyboard import press, settled

STEPS = 4


class Result:
    """What a run came to."""

    def __init__(self, record: GenerationRecord, error: SdtuiError | None) -> None:
        self.record = record
        self.error = error


class ScriptedEngine:
    """Loads a model in no time, or stands still while `hold` is set."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.failure: SdtuiError | None = None
        self.loaded: list[str] = []

    def load(
        self,
        model: str,
        dtype: DType,
        memory_mode: MemoryMode,
        *,
        report: Callable[[events.Event], None],
        cancellation: Cancellation,
    ) -> None:
        """Pretend; a model that is there is not loaded again, and nothing is told."""
        if self.loaded[-1:] == [model]:
            return
        report(events.Loading(model=model, component="unet", number=1, total=2))
        while self.hold.is_set():
            cancellation.check()
            time.sleep(0.005)
        if self.failure is not None:
            raise self.failure
        self.loaded.append(model)
        report(
            events.Loaded(
                model=model,
                family="pocket",
                device="cpu",
                dtype=dtype,
                memory_mode=memory_mode,
                seconds=1.0,
            )
        )

    def unload(self) -> None:
        """Have none."""
        self.loaded.append("")

    def cleanup(self) -> None:
        """Nothing."""


class ScriptedGenerator:
    """Steps of `step_seconds`; while `hold` is set it stands still between two of them."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        self.engine = ScriptedEngine()
        self.step_seconds = step_seconds
        self.hold = threading.Event()
        self.hold_at_picture: int | None = None
        """The index of a picture before which it stands still."""
        self.attempt: events.Attempt | None = None
        self.failure: GenerationError | None = None
        self.requests: list[GenerationRequest] = []

    def step(self) -> None:
        """One step."""
        time.sleep(self.step_seconds)

    def generate_with_fallback(
        self,
        request: GenerationRequest,
        *,
        report: Callable[[events.Event], None],
        cancellation: Cancellation,
        on_image: Callable[[int, Image.Image, GenerationRecord], None],
    ) -> Result:
        """Follow the script."""
        self.requests.append(request)
        record = self._record(request)
        try:
            self._run(request, record, report, cancellation, on_image)
        except SdtuiError as error:
            cancelled = isinstance(error, CancelledError)
            changes = {"success": False, "cancelled": cancelled, "error": str(error)}
            return Result(record.model_copy(update=changes), error)
        return Result(record, None)

    def _run(
        self,
        request: GenerationRequest,
        record: GenerationRecord,
        report: Callable[[events.Event], None],
        cancellation: Cancellation,
        on_image: Callable[[int, Image.Image, GenerationRecord], None],
    ) -> None:
        self.engine.loaded.append(request.model)
        report(events.StageStarted(stage=Stage.DENOISE))
        if self.attempt is not None:
            report(self.attempt)
        total = request.num_inference_steps or STEPS
        for step in range(1, total + 1):
            while self.hold.is_set():
                cancellation.check()
                time.sleep(0.005)
            cancellation.check()
            self.step()
            report(_step(step, total))
            report(_preview(step))
        if self.failure is not None:
            raise self.failure
        report(events.StageStarted(stage=Stage.DECODE))
        for image in record.images:
            if image.index:
                cancellation.check_between_pictures()
            while image.index == self.hold_at_picture:
                cancellation.check()
                time.sleep(0.005)
            on_image(image.index, Image.new("RGB", (64, 64), "navy"), record)

    def _record(self, request: GenerationRequest) -> GenerationRecord:
        seeds = request.seeds()
        return GenerationRecord(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            timestamp=datetime.now(UTC),
            success=True,
            seed=seeds[0],
            generation_time=0.5,
            request=request,
            settings=ImageSettings(
                sampler="Euler",
                num_inference_steps=request.num_inference_steps or STEPS,
                guidance_scale=request.guidance_scale or 6.0,
                width=64,
                height=64,
            ),
            model=ModelRecord(name=request.model, source=request.model, family="pocket"),
            attempts=(AttemptRecord(number=1, seconds=0.5),),
            images=tuple(
                ImageRecord(index=index, seed=seed, width=64, height=64)
                for index, seed in enumerate(seeds)
            ),
        )


def _step(step: int, total: int) -> events.Step:
    return events.Step(
        step=step,
        total=total,
        first_image=0,
        batch_size=1,
        seconds=0.1,
        it_per_second=10.0,
        remaining=(total - step) / 10,
        memory_now=2**30,
        memory_peak=2**30,
    )


def _preview(step: int) -> events.Preview:
    side = 16
    rgb = random.Random(step).randbytes(side * side * 3)  # noise costs the most
    return events.Preview(step=step, image_index=0, width=side, height=side, rgb=rgb)


class StillMonitor(Monitor):
    """Takes no samples of its own accord."""

    def start(self, on_sample: Callable[..., object]) -> None:
        """Nothing."""
        self.has_looked.set()


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
        return all(worker.node is not self.app.main.history_pane for worker in self.app.workers)

    @property
    def at_main(self) -> bool:
        """Whether nothing lies over the window."""
        return self.app.screen is self.app.main

    def ask_for(self, prompt: str, **fields: str) -> None:
        """Fill the form."""
        self.app.main.fill({"prompt": prompt, **fields})

    async def generate(self, prompt: str = "a cat", **fields: str) -> None:
        """Fill the form and press the key."""
        self.ask_for(prompt, **fields)
        await self.press(self.settings.keys.get("window.generate", "ctrl+g"))

    async def finished(self) -> None:
        """Wait until the job is over and its picture is listed."""
        await self.until(lambda: self.app.main.presenter.progress.outcome is not None)


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
        await bench.until(bench.monitor.has_looked.is_set)
        await bench.until(nothing_is_read)
        await bench.settled()
        await bench.until(bench.list_is_read)
        await bench.settled()
        yield bench
    bench.close()
