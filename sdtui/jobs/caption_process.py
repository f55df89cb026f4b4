"""Captions written by a model in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sdtui.core.settings import Settings
from sdtui.core.text import is_text
from sdtui.jobs.event_process import EventProcess
from sdtui.jobs.workers.devices import with_only_device
from sdtui.models import find_captioner
from sdtui.requests.training.captioning import (
    CaptionEvent,
    CaptioningFailed,
    CaptionRequest,
    caption_event_of_line,
)


class CaptionProcess(EventProcess[CaptionEvent]):
    """Writes captions."""

    end_kinds = ("failed", "finished")

    def __init__(self, request: CaptionRequest) -> None:
        """Raises OSError if it can't be started."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115  # the process closes it
        super().__init__(["sdtui.training.captioning"], errors)
        self.write_line(request.model_dump_json())

    def stop(self) -> None:
        """Let it end; captions that are written stay."""
        self.write_line("stop")

    def event_of_line(self, line: str) -> CaptionEvent | None:
        return caption_event_of_line(line)

    def death(self, how: str) -> CaptionEvent:
        return CaptioningFailed(
            error=f"The captioner's process {how}. The captions that it wrote are kept.",
            error_type="ModelError",
        )


def caption_request(
    settings: Settings,
    captioner: str,
    pictures: Sequence[Path],
    *,
    prompt: str = "",
    prefix: str = "",
    overwrite: bool = False,
    writes: bool = True,
) -> CaptionRequest:
    """Return a request of captions by a captioner, of its path or name, on the device of the
    settings. Pictures whose paths aren't UTF-8 are left out. Raises ModelError if there is no such
    captioner."""
    return CaptionRequest(
        captioner=str(find_captioner(captioner, settings).path.absolute()),
        pictures=tuple(str(each) for each in pictures if is_text(str(each))),
        prompt=prompt,
        prefix=prefix,
        overwrite=overwrite,
        writes=writes,
        device=with_only_device(settings).device,
    )
