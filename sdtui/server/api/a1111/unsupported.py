"""Functions of A1111 that sdtui doesn't have: 404 with a reason.

They aren't in the OpenAPI document, where clients look for what a server can do.
"""

from __future__ import annotations

from fastapi import APIRouter

from sdtui.server.errors import ApiError

router = APIRouter(prefix="/sdapi/v1", include_in_schema=False)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""All, since 405 would say that the path exists."""


@router.api_route("/interrogate", methods=_METHODS)
async def interrogate() -> None:
    """Refused: sdtui can't describe pictures."""
    raise ApiError(404, "Unsupported", "There is nothing here that describes pictures.")
