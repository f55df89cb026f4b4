"""Webhooks of jobs and grids."""

from __future__ import annotations

from fastapi import Request

from sdtui.core.errors import SdtuiError
from sdtui.server.dependencies import ServerServices
from sdtui.server.middleware.auth import LINKS
from sdtui.server.services.generation import refusal


def check_webhook(services: ServerServices, url: str | None) -> None:
    """Raise ApiError if webhooks may not go to a URL."""
    if url is None:
        return
    try:
        services.webhooks.check(url, services.caller.owner)
    except SdtuiError as error:
        raise refusal(services, error) from error


async def add_webhook(
    services: ServerServices, http: Request, work: str, url: str | None, *, is_grid: bool = False
) -> None:
    """Notify a URL, which was checked, when a new job or grid has ended."""
    if url is not None:
        server = str(http.base_url).rstrip("/")
        await services.webhooks.add(
            work,
            url,
            is_grid=is_grid,
            server=server,
            links=f"{server}{LINKS}",
            owner=services.caller.owner,
        )
