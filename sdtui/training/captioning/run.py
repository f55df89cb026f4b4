"""Captions of a list of pictures."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import ImageError, OutOfMemoryError, OutputError
from sdtui.core.settings import Settings
from sdtui.core.text import one_line
from sdtui.engine.device import TORCH_DTYPES, Device, choose_device, choose_dtype
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.models import InstalledCaptioner, find_captioner
from sdtui.models.model_name import model_name
from sdtui.requests.input_images import open_init_image
from sdtui.requests.training.captioning import (
    Captioned,
    CaptionerLoading,
    CaptioningFinished,
    CaptionNotice,
    CaptionRequest,
    ReportCaption,
)
from sdtui.requests.training.captions import caption_file, with_words_in_front, write_caption
from sdtui.training.captioning.batches import CaptionBatches
from sdtui.training.captioning.captioner import Captioner
from sdtui.training.captioning.loading import load_captioner
from sdtui.training.dataset import UNREADABLE, about_files

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)
_LARGEST_SIDE = 1024
"""Pixels. Captioners see fewer, or take memory for each."""


def write_captions(
    request: CaptionRequest,
    settings: Settings,
    report: ReportCaption,
    cancellation: Cancellation,
) -> None:
    """Write the captions of pictures that have none, or of all. Those that were written stay if it
    is cancelled or fails.

    Raises ModelError, OutOfMemoryError and OutputError.
    """
    started = time.monotonic()
    found = find_captioner(request.captioner, settings)
    device = choose_device(request.device)
    all_pictures = tuple(map(Path, request.pictures))
    wanted = [each for each in all_pictures if request.overwrite or caption_file(each) is None]
    kept = len(all_pictures) - len(wanted)
    run = _Run(request, len(wanted), report, cancellation)
    if wanted:
        report(
            CaptionerLoading(
                captioner=model_name(found.path),
                type=found.kind,
                device=str(device.torch),
                pictures=len(wanted),
                kept=kept,
            )
        )
        captioner = _load(found, device, settings, request.prompt)
        run.describe(wanted, CaptionBatches(captioner, device))
    run.report_left_out()
    report(
        CaptioningFinished(
            captioned=run.captioned,
            kept=kept,
            left_out=run.left_out,
            seconds=time.monotonic() - started,
            is_stopped=run.captioned + run.left_out < len(wanted),
        )
    )


def _load(found: InstalledCaptioner, device: Device, settings: Settings, prompt: str) -> Captioner:
    """Load a captioner. Raises OutOfMemoryError too."""
    try:
        dtype = TORCH_DTYPES[choose_dtype(device, settings.dtype)]
        return load_captioner(found, device, dtype, prompt)
    except OOM_CANDIDATES as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"memory ran out while {model_name(found.path)} was loaded: {error}",
            "Take a smaller captioner, or close what else uses the memory",
            stage="load",
        ) from error


class _Run:
    """Pictures that get captions."""

    def __init__(
        self,
        request: CaptionRequest,
        total: int,
        report: ReportCaption,
        cancellation: Cancellation,
    ) -> None:
        self._request = request
        self._total = total
        self._report = report
        self._cancellation = cancellation
        self.captioned = 0
        self.unreadable: list[Path] = []
        self.silent: list[Path] = []
        """Pictures of which the model says nothing, or that it can't take."""

    @property
    def left_out(self) -> int:
        """How many pictures got no caption."""
        return len(self.unreadable) + len(self.silent)

    def describe(self, pictures: list[Path], batches: CaptionBatches) -> None:
        """Write the captions of pictures until it is cancelled."""
        waiting = list(reversed(pictures))
        opened: list[tuple[Path, Image]] = []
        while (waiting or opened) and not self._cancellation.is_requested:
            while waiting and len(opened) < batches.size:
                path = waiting.pop()
                image = self._open(path)
                if image is not None:
                    opened.append((path, image))
            batch = opened[: batches.size]
            captions = self._captions(batch, batches)
            if self._cancellation.is_requested:
                return
            for (path, _), caption in zip(batch, captions, strict=False):
                self._take(path, caption)
            opened = opened[len(captions) :]

    def _captions(self, batch: list[tuple[Path, Image]], batches: CaptionBatches) -> list[str]:
        """Return captions of the first pictures; "" of a picture that the model can't take."""
        if not batch:
            return []
        try:
            return batches.describe([image for _, image in batch], self._cancellation)
        except ValueError as error:  # of the processor, as for a picture of 1 x 1000 pixels
            _log.warning("%s can't be captioned", batch[0][0], exc_info=error)
        return [""] if len(batch) == 1 else self._captions(batch[:1], batches)

    def _take(self, path: Path, caption: str) -> None:
        text = one_line(caption)
        if not text:
            self.silent.append(path)
            return
        request = self._request
        text = with_words_in_front(text, request.prefix) if request.prefix else text
        if request.writes and (request.overwrite or caption_file(path) is None):
            self._write(path, text)
        self.captioned += 1
        done = self.captioned + self.left_out
        self._report(Captioned(picture=str(path), caption=text, done=done, total=self._total))

    def _write(self, path: Path, text: str) -> None:
        try:
            write_caption(path, text)
        except OSError as error:
            raise OutputError(
                f"the caption of {path} can't be written: {error.strerror or error}",
                "Make room, or check the folder's permissions",
            ) from error

    def _open(self, path: Path) -> Image | None:
        try:
            image = open_init_image(path, "picture").image
        except ImageError as error:
            _log.warning("%s", error)
            self.unreadable.append(path)
            return None
        image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
        return image

    def report_left_out(self) -> None:
        """Say which pictures have no caption, once for each reason."""
        reasons = {
            UNREADABLE: self.unreadable,
            "left out, since the model says nothing of it": self.silent,
        }
        for reason, files in reasons.items():
            if files:
                self._report(CaptionNotice(text=about_files(files, "file", reason)))
