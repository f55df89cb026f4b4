"""Pictures by links that need no key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from sdtui.server.desk import TheDesk
from sdtui.server.errors import ApiError, documented
from sdtui.server.guard import LINKS

router = APIRouter(tags=["sdtui"])


@router.get(
    f"{LINKS}{{token}}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **documented("sdtui", 404),
    },
)
async def linked(token: Annotated[str, Path(max_length=64)], desk: TheDesk) -> FileResponse:
    """A picture by the link that an answer gave; for an hour."""
    path = desk.links.find(token.partition(".")[0])
    if path is None or not path.is_file():
        raise ApiError(404, "NotFound", "There is no such link (any more).")
    return FileResponse(path)
