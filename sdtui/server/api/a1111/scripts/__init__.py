"""A1111's scripts, which a request names by `script_name`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdtui.core.text import shortened
from sdtui.server.api.a1111.scripts import lines, matrix, xyz
from sdtui.server.api.a1111.scripts.lines import LinesScript
from sdtui.server.api.a1111.scripts.matrix import MatrixScript
from sdtui.server.api.a1111.scripts.script import GridScript, ScriptInfo
from sdtui.server.errors import ApiError

__all__ = [
    "SCRIPTS",
    "GridScript",
    "LinesScript",
    "MatrixScript",
    "Script",
    "ScriptInfo",
    "parse_script",
    "script_infos",
]

Script = GridScript | MatrixScript | LinesScript

SCRIPTS = (lines.NAME, matrix.NAME, xyz.NAME)
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
    message = f"Script '{shortened(name)}' not found. There are {', '.join(SCRIPTS)}."
    raise ApiError(422, "Script not found", message)


def script_infos() -> list[ScriptInfo]:
    """Describe the arguments of all scripts, those of txt2img first."""
    return [
        info
        for mode in _MODES
        for info in (
            lines.script_info(is_img2img=mode == "img2img"),
            matrix.script_info(is_img2img=mode == "img2img"),
            xyz.script_info(mode),
        )
    ]
