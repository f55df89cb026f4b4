"""A generator that follows a script in place of the engine."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Quantize, Runtime, Speed
from sdtui.core.errors import CancelledError, GenerationError, SdtuiError
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
from tests.support.events import step_event

STEPS = 4


class Result:
    """The result of a run."""

    def __init__(self, record: GenerationRecord, error: SdtuiError | None) -> None:
        self.record = record
        self.error = error


class ScriptedEngine:
    """Loads a model at once, or waits while `hold` is set."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.failure: SdtuiError | None = None
        self.loaded: list[str] = []
        self.is_lost = False
        """True if the device computes no more."""

    def load(
        self,
        model: str,
        dtype: DType,
        memory_mode: MemoryMode,
        speed: Speed,
        quantize: Quantize = Quantize.NONE,
        runtime: Runtime = Runtime.AUTO,
        *,
        report: Callable[[events.Event], None],
        cancellation: Cancellation,
    ) -> None:
        """Report a load, unless the model is loaded already."""
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
        self.loaded.append("")

    def device_works(self) -> bool:
        return not self.is_lost

    def cleanup(self) -> None:
        """Do nothing."""


class ScriptedGenerator:
    """Runs of steps that take `step_seconds`; it waits between steps while `hold` is set."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        self.engine = ScriptedEngine()
        self.step_seconds = step_seconds
        self.hold = threading.Event()
        self.hold_at_picture: int | None = None
        """The index of a picture before which it waits."""
        self.is_held = threading.Event()
        """Set when it has come to that picture."""
        self.attempt: events.Attempt | None = None
        self.failure: GenerationError | None = None
        self.notices: tuple[str, ...] = ()
        self.requests: list[GenerationRequest] = []

    def step(self) -> None:
        time.sleep(self.step_seconds)

    def generate_with_fallback(
        self,
        request: GenerationRequest,
        *,
        report: Callable[[events.Event], None],
        cancellation: Cancellation,
        on_image: Callable[[int, Image.Image, GenerationRecord], None],
    ) -> Result:
        """Report the events of a run."""
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
            report(step_event(step, total))
            report(_preview(step))
        if self.failure is not None:
            raise self.failure
        report(events.StageStarted(stage=Stage.DECODE))
        for image in record.images:
            if image.index:
                cancellation.check_between_pictures()
            while image.index == self.hold_at_picture:
                self.is_held.set()
                cancellation.check()
                time.sleep(0.005)
            on_image(image.index, _picture(), record)

    def _record(self, request: GenerationRequest) -> GenerationRecord:
        seeds = request.seeds()
        return GenerationRecord(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            timestamp=datetime.now(UTC),
            success=True,
            notices=self.notices,
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


def _preview(step: int) -> events.Preview:
    side = 16
    rgb = random.Random(step).randbytes(side * side * 3)  # noise is the most expensive to draw
    return events.Preview(step=step, image_index=0, width=side, height=side, rgb=rgb)


def _picture() -> Image.Image:
    """Return a picture whose half-cells differ."""
    picture = Image.new("RGB", (64, 64), "navy")
    for top in range(5, 64, 10):
        picture.paste((255, 128, 0), (8, top, 56, top + 5))
    return picture
