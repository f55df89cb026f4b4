"""The protocols of a worker's engine and generator, and the implementation that imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Quantize, Runtime, Speed
from sdtui.core.errors import SdtuiError, SettingsError
from sdtui.core.settings import Settings
from sdtui.jobs.torch_preload import without_blocking_the_event_loop
from sdtui.requests.events import Report
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest

if TYPE_CHECKING:
    from PIL import Image

    from sdtui.engine.generator import RobustStableDiffusionGenerator

OnImage = Callable[[int, "Image.Image", GenerationRecord], None]
"""Called with each finished picture: its index, the picture, and the run's record so far."""


class Result(Protocol):
    """The result of a run."""

    @property
    def record(self) -> GenerationRecord: ...

    @property
    def error(self) -> SdtuiError | None:
        """None if every picture was made."""
        ...


class Engine(Protocol):
    """Holds at most one model in memory."""

    def load(
        self,
        model: str,
        dtype: DType,
        memory_mode: MemoryMode,
        speed: Speed,
        quantize: Quantize,
        runtime: Runtime,
        /,
        *,
        report: Report,
        cancellation: Cancellation,
    ) -> object:
        """Load a model, unless it is loaded already. Raises SdtuiError."""
        ...

    def unload(self) -> None:
        """Free the model's memory."""
        ...

    def device_works(self) -> bool:
        """True if the device still computes; asked after an unexpected error."""
        ...

    def cleanup(self) -> None:
        """Free everything; the engine isn't used again."""
        ...


class Generator(Protocol):
    """Makes the pictures of a request."""

    @property
    def engine(self) -> Engine: ...

    def generate_with_fallback(
        self,
        request: GenerationRequest,
        *,
        report: Report,
        cancellation: Cancellation,
        on_image: OnImage,
    ) -> Result:
        """Run a request under its retry policy. An SdtuiError is returned, not raised."""
        ...


MakeGenerator = Callable[[Settings], Generator]


def make_generator(settings: Settings) -> RobustStableDiffusionGenerator:
    """Return the engine with its retry policy. Imports torch: called on the worker thread only.
    Raises SettingsError where only the app and the commands are installed."""
    try:
        with without_blocking_the_event_loop():
            from sdtui.engine.generator import RobustStableDiffusionGenerator
            from sdtui.engine.pipeline_manager import StableDiffusionEngine
            from sdtui.engine.threads import lower_thread_priority
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"making pictures here needs {error.name}, which is not installed",
            "Install all of sdtui, or name another machine with --connect",
        ) from error

    engine = StableDiffusionEngine(settings)
    if not engine.device.is_accelerator:
        lower_thread_priority()
    return RobustStableDiffusionGenerator(engine)
