"""Pictures at signed links, which need no key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import ApiError
from sdtui.server.files import PICTURE_ANSWERS, picture_response
from sdtui.server.middleware.auth import LINKS

router = APIRouter(tags=["sdtui"])


@router.get(
    f"{LINKS}{{token}}",
    response_class=FileResponse,
    responses=PICTURE_ANSWERS,
)
async def linked(
    token: Annotated[str, Path(max_length=256)], services: ServicesDep, http: Request
) -> Response:
    """Return the picture of a signed link, which is valid for an hour."""
    target = services.links.find(token.partition(".")[0])
    if target is None:
        raise ApiError(404, "NotFound", "There is no such link (any more).")
    return await picture_response(http, services.backend.pictures, target.picture, target.quality)
