"""A1111's scripts, which a request names by `script_name`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdtui.core.text import shortened
from sdtui.server.api.a1111.scripts import lines, matrix, upscale, xyz
from sdtui.server.api.a1111.scripts.lines import LinesScript
from sdtui.server.api.a1111.scripts.matrix import MatrixScript
from sdtui.server.api.a1111.scripts.script import GridScript, ScriptInfo
from sdtui.server.api.a1111.scripts.upscale import UpscaleScript
from sdtui.server.errors import ApiError

__all__ = [
    "SCRIPTS",
    "SCRIPTS_OF_IMG2IMG",
    "GridScript",
    "LinesScript",
    "MatrixScript",
    "Script",
    "ScriptInfo",
    "UpscaleScript",
    "parse_script",
    "script_infos",
]

Script = GridScript | MatrixScript | LinesScript | UpscaleScript

SCRIPTS = (lines.NAME, matrix.NAME, xyz.NAME)
SCRIPTS_OF_IMG2IMG = (*SCRIPTS, upscale.SD_UPSCALE, upscale.ULTIMATE)
_MODES = ("txt2img", "img2img")


def parse_script(name: str, arguments: Sequence[Any], mode: str) -> Script:
    """Return what is asked of a script, whose name may be in any case. Raises ApiError."""
    plain = name.lower()
    if plain == xyz.NAME:
        return xyz.parse_arguments(arguments, mode)
    if plain == matrix.NAME:
        return matrix.parse_arguments(arguments)
    if plain == lines.NAME:
        return lines.parse_arguments(arguments)
    if mode == "img2img" and plain == upscale.SD_UPSCALE:
        return upscale.parse_sd_upscale(arguments)
    if mode == "img2img" and plain == upscale.ULTIMATE:
        return upscale.parse_ultimate(arguments)
    known = SCRIPTS_OF_IMG2IMG if mode == "img2img" else SCRIPTS
    message = f"Script '{shortened(name)}' not found. There are {', '.join(known)}."
    raise ApiError(422, "Script not found", message)


def script_infos() -> list[ScriptInfo]:
    """Describe the arguments of all scripts, those of txt2img first."""
    shared = [
        info
        for mode in _MODES
        for info in (
            lines.script_info(is_img2img=mode == "img2img"),
            matrix.script_info(is_img2img=mode == "img2img"),
            xyz.script_info(mode),
        )
    ]
    return [*shared, *upscale.script_infos()]
