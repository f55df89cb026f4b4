"""The pictures of ControlNets and IP-Adapters whose entries name none."""

from __future__ import annotations

from pathlib import Path

from sdtui.core.control_names import ControlPasses
from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry, PictureEntry
from sdtui.requests.request import GenerationRequest


def usual_control_picture(request: GenerationRequest) -> Path | None:
    """Return the picture of entries that name none: the init image, or the one that is upscaled."""
    start = request.image_to_image
    return request.upscale.image if start is None else start.image


def check_control_pictures(request: GenerationRequest) -> None:
    """Raise InvalidRequestError for an entry that has no picture. Of one for the tiles of a redraw
    alone, these are the pictures."""
    if usual_control_picture(request) is not None:
        return
    control = request.control
    entries: list[tuple[str, PictureEntry]] = [
        *(("controls", ControlEntry.parse(each)) for each in control.controls),
        *(("ip_adapters", IPAdapterEntry.parse(each)) for each in control.ip_adapters),
    ]
    for field, entry in entries:
        is_tiles = isinstance(entry, ControlEntry) and entry.passes is ControlPasses.REDRAW
        if not (entry.image or (is_tiles and request.redraw is not None)):
            message = f"{entry.name} needs a picture: write {entry.name}:PICTURE"
            if request.redraw is not None and field == "controls":
                message += f", or {entry.name},passes=redraw for the tiles alone"
            raise InvalidRequestError([Problem(field, str(entry), message)])
