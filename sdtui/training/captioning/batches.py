"""Captions of several pictures at once: as many as fit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import OutOfMemoryError
from sdtui.engine.device import Device, PeakMeter
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.training.captioning.captioner import Captioner

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)
_LARGEST, _LARGEST_ON_CPU = 16, 4
"""Pictures; larger batches are hardly faster."""
_USED_SHARE = 0.8
"""Of the free memory, by what the first picture took."""


class CaptionBatches:
    """Asks a captioner. The first picture is alone, and what it takes says how many fit; if memory
    runs out all the same, batches are halved."""

    def __init__(self, captioner: Captioner, device: Device) -> None:
        self._captioner = captioner
        self._device = device
        self._meter = PeakMeter(device)
        self._is_measured = False
        self.size = 1
        """Pictures of the next batch."""

    def describe(self, images: Sequence[Image], cancellation: Cancellation) -> list[str]:
        """Return a caption of each picture, of at most `size`; of fewer if memory ran out. Raises
        OutOfMemoryError if one picture is too much."""
        if not self._is_measured:
            return self._measured(images, cancellation)
        failure = ""
        try:
            return self._captioner.describe(images, cancellation)
        except OOM_CANDIDATES as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error)
        self._device.release()
        self._use_less(len(images), failure)
        return self.describe(images[: self.size], cancellation)

    def _use_less(self, pictures: int, failure: str) -> None:
        """Halve the batches after one of so many pictures was too large. Raises OutOfMemoryError
        if it was one."""
        if pictures == 1:
            raise OutOfMemoryError(
                f"memory ran out with one picture at a time: {failure}",
                "Take a smaller captioner, or close what else uses the memory",
                stage="caption",
            )
        self.size = max(1, pictures // 2)
        _log.warning("memory ran out: %s; batches of %s from now on", failure, self.size)

    def _measured(self, images: Sequence[Image], cancellation: Cancellation) -> list[str]:
        """Return the captions of the first batch, and choose the size of the others."""
        self._is_measured = True
        before = self._device.memory().used
        self._meter.start()
        captions = self.describe(images, cancellation)
        taken = max(1, self._meter.peak() - before)
        largest = _LARGEST if self._device.is_accelerator else _LARGEST_ON_CPU
        fitting = int(self._device.memory().free * _USED_SHARE / taken)
        self.size = max(1, min(largest, fitting))
        return captions
