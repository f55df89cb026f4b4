"""Finisher: pictures of a run that are decoded, on their way through the features that finish
them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.finishing import FinishingContext, UnfinishedPicture
from sdtui.engine.passes import Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.requests.events import Estimated, Report
from sdtui.requests.record import PassPlace, Stage


class Finisher:
    """Holds decoded pictures until features are done with them. What a feature has done is kept
    when memory runs out in a later one."""

    def __init__(
        self,
        engine: StableDiffusionEngine,
        report: Report,
        cancellation: Cancellation,
        notice: Callable[[str], None],
        in_stage: Callable[[Stage], AbstractContextManager[None]],
    ) -> None:
        self._engine = engine
        self._report = report
        self._cancellation = cancellation
        self._notice = notice
        self._in_stage = in_stage
        self._pictures: dict[int, UnfinishedPicture] = {}
        self.estimate: int | None = None
        """The largest expected peak in bytes; None if no feature knows it."""

    def add(self, index: int, image: Image.Image) -> None:
        """Add a decoded picture."""
        self._pictures[index] = UnfinishedPicture(image)

    @property
    def indices(self) -> frozenset[int]:
        """The pictures that are to be finished."""
        return frozenset(self._pictures)

    @property
    def has_pictures(self) -> bool:
        """True if a picture is to be finished."""
        return bool(self._pictures)

    def finish_next(
        self,
        features: ActiveFeatures,
        resolved: ResolvedRequest | None,
        make: Callable[[int, Pass, PassPlace], Image.Image],
    ) -> tuple[int, Image.Image]:
        """Finish the first picture; return its index and the picture. `make` runs a pass for the
        picture of an index. Raises the errors of the features."""
        index, picture = next(iter(self._pictures.items()))
        for feature, section in features.finishing()[picture.features_done :]:
            self._cancellation.check()
            context = FinishingContext(
                index=index,
                state=picture.state,
                device=self._engine.device,
                cancellation=self._cancellation,
                report=self._report,
                notice=self._notice,
                expect=self._expect,
                in_stage=self._in_stage,
                make=partial(make, index),
                resolved=resolved,
            )
            picture.image = feature.finish(section, picture.image, context)
            picture.features_done += 1
            picture.state.clear()
        return index, self._pictures.pop(index).image

    def _expect(self, needed: int) -> None:
        """Report the expected peak, given what is needed besides what is in use."""
        memory = self._engine.device.memory()
        estimate = memory.used + needed
        if self.estimate is None or estimate > self.estimate:
            self.estimate = estimate
            loaded = self._engine.loaded
            mode = loaded.memory_mode if loaded else "full"
            self._report(Estimated(estimate=estimate, free=memory.free, memory_mode=mode))
