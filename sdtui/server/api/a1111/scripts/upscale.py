"""A1111's scripts that upscale the picture of img2img and redraw it in tiles: "SD upscale"
(scripts/sd_upscale.py of A1111 1.10) and the extension "Ultimate SD upscale" (ultimate-upscale.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdtui.core.enums import TileOrder
from sdtui.core.text import shortened
from sdtui.requests.sections.image_to_image import DEFAULT_STRENGTH
from sdtui.server.api.a1111.scripts.script import ScriptArgument, ScriptInfo, wrong_argument

SD_UPSCALE = "sd upscale"
ULTIMATE = "ultimate sd upscale"

_SD_ARGUMENTS = 4
_ULTIMATE_ARGUMENTS = 18
_ORDERS = (TileOrder.LINEAR, TileOrder.CHESS)
"""By redraw mode; 2 redraws nothing."""
_HALF_TILE = 2
"""The first seams fix that redraws by half a tile; 1 is a band alone."""
_FROM_SETTINGS, _CUSTOM_SIZE = 0, 1
"""Kinds of the size that is upscaled to; 2 is a factor."""
_OF_INIT_IMAGE = ("init_image", "init_image_fit", "strength", "mask_image")


@dataclass(frozen=True)
class UpscaleScript:
    """What a client asks of such a script."""

    upscaler: int | str
    """The place among `/upscalers`, or the name."""
    size: Mapping[str, Any]
    """The values of the size; empty = the request's own."""
    redraw: Mapping[str, Any]
    """The values of tiles; without `redraw_tile` it is the request's width."""
    is_redrawn: bool = True

    def applied(self, values: Mapping[str, Any], upscalers: Sequence[str]) -> dict[str, Any]:
        """Return the values of a request with the script's: its init image is upscaled. Raises
        ApiError for an upscaler that isn't there."""
        own = {name: each for name, each in values.items() if name not in _OF_INIT_IMAGE}
        width, height = values.get("width"), values.get("height")
        size = self.size or {"upscale_width": width, "upscale_height": height}
        redraw = {}
        if self.is_redrawn:
            strength = values.get("strength", DEFAULT_STRENGTH)
            redraw = {"redraw_tile": width or 512, **self.redraw, "redraw_strength": strength}
        return {
            **own,
            "upscale_image": values["init_image"],
            "upscaler": self._name(upscalers),
            **size,
            **redraw,
        }

    def _name(self, upscalers: Sequence[str]) -> str:
        if isinstance(self.upscaler, str):
            return self.upscaler
        if not 0 <= self.upscaler < len(upscalers):
            message = f"there is no upscaler {self.upscaler}; /upscalers has {len(upscalers)}"
            raise wrong_argument(message)
        return upscalers[self.upscaler]


def parse_sd_upscale(arguments: Sequence[Any]) -> UpscaleScript:
    """Parse `script_args` of "SD upscale". Raises ApiError (422)."""
    _check_count(arguments, _SD_ARGUMENTS, "SD upscale")
    _, overlap, upscaler, factor = arguments
    return UpscaleScript(
        _upscaler(upscaler),
        {"upscale_factor": _number(factor, "scale_factor", float)},
        {"redraw_padding": _number(overlap, "overlap", int) // 2 // 8 * 8},
    )


def parse_ultimate(arguments: Sequence[Any]) -> UpscaleScript:
    """Parse `script_args` of "Ultimate SD upscale". Raises ApiError (422)."""
    _check_count(arguments, _ULTIMATE_ARGUMENTS, "Ultimate SD upscale")
    _, tile, _, blur, padding, _, _, _, upscaler, _, order, _, _, seams, kind, *size = arguments
    mode = _number(order, "redraw_mode", int)
    redraw = {
        "redraw_tile": _number(tile, "tile_width", int) // 8 * 8,
        "redraw_mask_blur": _number(blur, "mask_blur", int),
        "redraw_padding": _number(padding, "padding", int) // 8 * 8,
        "redraw_order": _ORDERS[min(mode, 1)],
        "redraw_seams": _number(seams, "seams_fix_type", int) >= _HALF_TILE,
    }
    return UpscaleScript(
        _upscaler(upscaler),
        _size(_number(kind, "target_size_type", int), *size),
        redraw,
        is_redrawn=mode < len(_ORDERS),
    )


def script_infos() -> list[ScriptInfo]:
    """Describe the arguments of both scripts, which img2img alone has."""
    sd = ["info", "overlap", "upscaler_index", "scale_factor"]
    ultimate = [
        *("info", "tile_width", "tile_height", "mask_blur", "padding", "seams_fix_width"),
        *("seams_fix_denoise", "seams_fix_padding", "upscaler_index", "save_upscaled_image"),
        *("redraw_mode", "save_seams_fix_image", "seams_fix_mask_blur", "seams_fix_type"),
        *("target_size_type", "custom_width", "custom_height", "custom_scale"),
    ]
    return [
        ScriptInfo(
            name=name,
            is_alwayson=False,
            is_img2img=True,
            args=[ScriptArgument(label=label) for label in labels],
        )
        for name, labels in ((SD_UPSCALE, sd), (ULTIMATE, ultimate))
    ]


def _size(kind: int, width: Any, height: Any, factor: Any) -> Mapping[str, Any]:
    if kind == _FROM_SETTINGS:
        return {}
    if kind == _CUSTOM_SIZE:
        return {
            "upscale_width": _number(width, "custom_width", int),
            "upscale_height": _number(height, "custom_height", int),
        }
    return {"upscale_factor": _number(factor, "custom_scale", float)}


def _check_count(arguments: Sequence[Any], count: int, script: str) -> None:
    if len(arguments) != count:
        raise wrong_argument(f"the script {script} takes {count} arguments, not {len(arguments)}")


def _upscaler(value: Any) -> int | str:
    if isinstance(value, str):
        return value
    number: int = _number(value, "upscaler_index", int)
    return number


def _number(value: Any, name: str, kind: Callable[[Any], Any]) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise wrong_argument(f"{name} must be a number, not {shortened(str(value))}")
    return kind(value)
