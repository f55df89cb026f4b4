"""Asks how pictures are upscaled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdtui.tui.screens.enlarging import EnlargingScreen, only

if TYPE_CHECKING:
    from sdtui.models import InstalledUpscaler

_USUAL_FACTOR = 2.0


class UpscaleScreen(EnlargingScreen):
    """Answers with the values of a request's fields of upscaling."""

    def __init__(
        self,
        title: str,
        upscalers: Sequence[InstalledUpscaler],
        size: tuple[int, int] | None,
        last: str,
    ) -> None:
        hint = "2, 1.5 or 1920x1080; or part of a name"
        super().__init__(f"Upscale · {title}", hint, upscalers, size, last)

    def values_for(
        self, upscaler: InstalledUpscaler, numbers: Sequence[float], size: tuple[int, int] | None
    ) -> dict[str, Any]:
        """Without a number, the factor is that of the upscaler's model."""
        values: dict[str, Any] = {"upscaler": upscaler.name}
        if size is not None:
            values |= {"upscale_width": size[0], "upscale_height": size[1]}
        factor = only(numbers, "factors")
        if factor is not None:
            values["upscale_factor"] = factor
        elif size is None:
            values["upscale_factor"] = float(upscaler.scale or _USUAL_FACTOR)
        return values

    def explained(self, values: dict[str, Any], before: tuple[int, int] | None, name: str) -> str:
        from sdtui.requests.request import GenerationRequest

        upscale = GenerationRequest.parse({"prompt": "", **values}, prompt_needed=False).upscale
        if before is None:
            by = upscale.factor
            how = f"by {by:g}" if by else f"to {upscale.width}×{upscale.height}"
            return f"⏎ upscale {how} with {name}"
        size = upscale.size_of(*before)
        return f"{before[0]}×{before[1]} → {size.crop_width}×{size.crop_height} with {name}"
