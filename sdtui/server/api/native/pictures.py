"""Pictures at signed links, which need no key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse

from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import ApiError, documented
from sdtui.server.files import picture_response
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
async def linked(token: Annotated[str, Path(max_length=256)], services: ServicesDep) -> Response:
    """Return the picture of a signed link, which is valid for an hour."""
    target = services.links.find(token.partition(".")[0])
    if target is None:
        raise ApiError(404, "NotFound", "There is no such link (any more).")
    return await picture_response(services.backend.pictures, target.picture, target.quality)
