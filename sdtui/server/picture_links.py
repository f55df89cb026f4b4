"""Links to pictures in answers."""

from __future__ import annotations

import asyncio
from pathlib import PurePath

from fastapi import Request

from sdtui.core.errors import HistoryError
from sdtui.jobs import PictureId, Pictures
from sdtui.server.dependencies import ServerServices
from sdtui.server.middleware.auth import LINKS
from sdtui.server.services.generation import Picture


async def picture_link(
    services: ServerServices, http: Request, picture: Picture, quality: int | None = None
) -> str:
    """Return a link to a finished picture, which needs no key."""
    target = await asyncio.to_thread(lasting_id, services.backend.pictures, picture)
    return signed_link(services, http, target, PurePath(picture.path).suffix, quality)


def signed_link(
    services: ServerServices,
    http: Request,
    picture: PictureId,
    suffix: str,
    quality: int | None = None,
) -> str:
    """Return a link to a picture, which needs no key. `suffix` is that of the file's name."""
    token = services.links.make(picture, quality)
    return f"{str(http.base_url).rstrip('/')}{LINKS}{token}{suffix}"


def lasting_id(pictures: Pictures, picture: Picture) -> PictureId:
    """Return the id of the history entry of a finished picture, which is known longer than its
    job, or else its id in the job."""
    if not picture.path:
        return picture.id
    try:
        return pictures.get(picture.path).id
    except HistoryError:  # not in the index yet
        return picture.id
