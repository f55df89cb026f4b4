"""What A1111 can do and sdtui can't: refused with a reason, so that no client takes it for a
fault of the address."""

from __future__ import annotations

from fastapi import APIRouter

from sdtui.server.errors import ApiError, documented

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"])
_ERRORS = documented("a1111")


@router.post("/extra-single-image", responses=_ERRORS)
@router.post("/extra-batch-images", responses=_ERRORS)
async def upscale() -> None:
    """There are no upscalers here."""
    raise ApiError(400, "Unsupported", "There are no upscalers here. Ask for the size itself.")


@router.post("/interrogate", responses=_ERRORS)
async def interrogate() -> None:
    """There is nothing here that describes pictures."""
    raise ApiError(400, "Unsupported", "There is nothing here that describes pictures.")
