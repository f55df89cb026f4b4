"""All routes of this API: those of OpenAI and, not in the document, the same at Azure's paths."""

from collections.abc import Sequence

from fastapi import APIRouter

from sdtui.server.api.openai import edits, images, models, variations

_IMAGES = (images.router, edits.router, variations.router)


def _at(prefix: str, routers: Sequence[APIRouter], *, is_azure: bool = True) -> APIRouter:
    """Return routes below a path."""
    router = APIRouter(prefix=prefix, include_in_schema=not is_azure)
    for each in routers:
        router.include_router(each)
    return router


ROUTERS = (
    _at("/v1", (*_IMAGES, models.router), is_azure=False),
    _at("/openai/v1", (*_IMAGES, models.router)),
    _at("/openai/deployments/{deployment}", _IMAGES),
    _at("/openai", (models.router,)),
)
