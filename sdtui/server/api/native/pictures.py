"""Pictures by links that need no key."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse

from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import ApiError, documented
from sdtui.server.files import is_in_place, picture_bytes
from sdtui.server.middleware.auth import LINKS

router = APIRouter(tags=["sdtui"])


@router.get(
    f"{LINKS}{{token}}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **documented("sdtui", 404),
    },
)
async def linked(token: Annotated[str, Path(max_length=64)], services: ServicesDep) -> Response:
    """A picture by the link that an answer gave; for an hour."""
    linked = services.links.find(token.partition(".")[0])
    if linked is None or not is_in_place(linked.picture, services.history.pictures):
        raise ApiError(404, "NotFound", "There is no such link (any more).")
    file = FileResponse(linked.picture)
    if linked.quality is None:
        return file
    data = await asyncio.to_thread(picture_bytes, linked.picture, linked.quality)
    return Response(data, media_type=file.media_type)
