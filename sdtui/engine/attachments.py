"""Report pictures to keep beside the finished ones of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from sdtui.requests.events import Attached, Report


@dataclass
class AttachmentReporter:
    """Reports each picture when it differs from the last one of its name."""

    report: Report
    _last: dict[str, Image.Image] = field(default_factory=dict)

    def add(self, images: Mapping[str, Image.Image]) -> None:
        """Report pictures, by the names that are in those of their files."""
        for name, image in images.items():
            if self._last.get(name) is not image:
                self._last[name] = image
                buffer = io.BytesIO()
                image.save(buffer, "PNG")
                self.report(Attached(name=name, png=buffer.getvalue()))
