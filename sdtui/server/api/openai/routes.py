"""All routes of this API: those of OpenAI and, not in the document, the same at Azure's paths."""

from fastapi import APIRouter

from sdtui.server.api.openai import edits, images, models, variations


def _at(prefix: str, *, is_azure: bool = True) -> APIRouter:
    """Return the routes below a path."""
    router = APIRouter(prefix=prefix, include_in_schema=not is_azure)
    for each in (images.router, edits.router, variations.router, models.router):
        router.include_router(each)
    return router


ROUTERS = (
    _at("/v1", is_azure=False),
    _at("/openai/deployments/{deployment}"),
    _at("/openai/v1"),
    _at("/openai"),
)
