"""Functions of A1111 that sdtui doesn't have: refused with a reason, instead of a 404."""

from __future__ import annotations

from fastapi import APIRouter

from sdtui.server.errors import ApiError, documented

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"])
_ERRORS = documented("a1111")


@router.post("/extra-single-image", responses=_ERRORS)
@router.post("/extra-batch-images", responses=_ERRORS)
async def upscale() -> None:
    """Refused: sdtui has no upscalers."""
    raise ApiError(400, "Unsupported", "There are no upscalers here. Ask for the size itself.")


@router.post("/interrogate", responses=_ERRORS)
async def interrogate() -> None:
    """Refused: sdtui can't describe pictures."""
    raise ApiError(400, "Unsupported", "There is nothing here that describes pictures.")
