"""What a script asks for, and how its arguments are described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from sdtui.requests.grids import GridOptions
from sdtui.server.errors import ApiError
from sdtui.server.services.grids import WantedAxis

LARGEST_MARGIN = 500


class ScriptArgument(BaseModel):
    """An argument of a script."""

    label: str
    value: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: list[str] | None = None


class ScriptInfo(BaseModel):
    """A script and its arguments."""

    name: str
    is_alwayson: bool
    is_img2img: bool
    args: list[ScriptArgument]


@dataclass(frozen=True)
class GridScript:
    """A grid that a client asks for."""

    axes: tuple[WantedAxis, ...]
    options: GridOptions
    has_single_pictures: bool = True
    has_sub_grids: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Values of the request in all cells."""


def margin_of(value: Any, script: str) -> int:
    """Return the margin between pictures in pixels. Raises ApiError (422)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_argument(f"margin_size of the script {script} must be a number")
    return round(min(max(value, 0), LARGEST_MARGIN))


def margin_argument() -> ScriptArgument:
    """Describe the argument of the margin."""
    return ScriptArgument(
        label="Grid margins (px)", value=0, minimum=0, maximum=LARGEST_MARGIN, step=2
    )


def wrong_argument(message: str) -> ApiError:
    """Return the error of an argument that can't be used."""
    return ApiError(422, "InvalidRequestError", f"{message}.")
