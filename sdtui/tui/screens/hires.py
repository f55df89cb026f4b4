"""Asks how pictures are made again in a larger size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdtui.tui.screens.enlarging import EnlargingScreen, only

if TYPE_CHECKING:
    from sdtui.models import InstalledUpscaler

OPEN = "as the recipe says, or the model's own"
"""In place of an upscaler's name."""
_USUAL_SCALE = 2.0


class HiresScreen(EnlargingScreen):
    """Answers with the values of a request's fields of hires."""

    def __init__(
        self,
        title: str,
        upscalers: Sequence[InstalledUpscaler],
        size: tuple[int, int] | None,
        last: str,
    ) -> None:
        hint = "2 or 1024x768; strength: 0.4; or part of a name"
        super().__init__(f"Hires · {title}", hint, upscalers, size, last)

    def values_for(
        self, upscaler: InstalledUpscaler, numbers: Sequence[float], size: tuple[int, int] | None
    ) -> dict[str, Any]:
        """A number below 1 is the strength, and so is 1 after a scale or a size; another number is
        the scale."""
        strengths = [each for each in numbers if each < 1]
        scales = [each for each in numbers if each >= 1]
        if not strengths and len(scales) + (size is not None) == 2 and 1 in scales:
            scales.remove(1)
            strengths = [1.0]
        scale, strength = only(scales, "factors"), only(strengths, "strengths")
        width, height = size or (None, None)
        values: dict[str, Any] = {"hires_scale": scale or _USUAL_SCALE}
        values |= {"hires_width": width, "hires_height": height}
        if strength is not None:
            values["hires_strength"] = strength
        if upscaler.name != OPEN:
            values["hires_upscaler"] = upscaler.name
        return values

    def explained(self, values: dict[str, Any], before: tuple[int, int] | None, name: str) -> str:
        from sdtui.requests.request import SIZE_MULTIPLE, GenerationRequest

        hires = GenerationRequest.parse({"prompt": "", **values}, prompt_needed=False).hires
        assert hires is not None
        strength = f" · strength {hires.strength:g}" if hires.strength is not None else ""
        upscaler = f" · {name}" if name != OPEN else ""
        if before is None:
            given = hires.width is not None
            how = (
                f"to {hires.width}×{hires.height}"
                if given
                else f"at {hires.scale:g} times their size"
            )
            return f"⏎ make them again {how}{strength}{upscaler}"
        width, height = hires.enlarged(*before, SIZE_MULTIPLE).size
        return f"{before[0]}×{before[1]} → {width}×{height}{strength}{upscaler}"
