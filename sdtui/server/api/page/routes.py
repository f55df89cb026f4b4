"""The web page for browsers, and where other clients of "/" are sent."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import UNKNOWN_PATH, ApiError
from sdtui.server.middleware.auth import PAGE_FILES
from sdtui.server.scopes import prefers_html, root_path_of

router = APIRouter(include_in_schema=False)
ROUTERS = (router,)

_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_INDEX = "index.html"
_BASE = b'<base href="./">'
"""What paths of the page are relative to. A prefix of a proxy takes its place, since the prefix's
own path may have no slash at its end."""

_HTML, _HTML_WITH_KEY = b'<html lang="en">', b'<html lang="en" data-needs-key>'
"""The page asks for a key before its first request: each refused one is logged, and counts for
what bans addresses by the log."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Nothing but the page's own files; pictures are object URLs, because a key is sent in a header."""
_HEADERS = {
    "Cache-Control": "no-cache",  # asked for again by ETag, so that no file is of another version
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class _File:
    data: bytes
    media_type: str


@cache
def _page_files() -> dict[str, _File]:
    """Return the files of the page by name."""
    found = [each for each in (files(__package__) / "files").iterdir() if each.is_file()]
    return {
        each.name: _File(each.read_bytes(), _MEDIA_TYPES[each.name.rpartition(".")[2]])
        for each in found
    }


@router.get("/")
async def root(services: ServicesDep, http: Request) -> Response:
    """Show the page to browsers, and redirect others to the documentation."""
    root_path = root_path_of(http.scope)
    if not prefers_html(http.scope):
        return RedirectResponse(f"{root_path}/docs", headers={"Vary": "Accept"})
    page = _page_files()[_INDEX]
    text = page.data
    if root_path:
        text = text.replace(_BASE, f'<base href="{html.escape(root_path)}/">'.encode())
    if not services.keys.is_empty:
        text = text.replace(_HTML, _HTML_WITH_KEY)
    return _response(http, replace(page, data=text), {"Vary": "Accept"})


@router.get(f"{PAGE_FILES}{{name}}")
async def file(name: str, http: Request) -> Response:
    """Return a file of the page."""
    found = _page_files().get(name)
    if found is None or name == _INDEX:
        raise ApiError(404, "NotFound", UNKNOWN_PATH)
    return _response(http, found, {})


def _response(http: Request, file: _File, more: dict[str, str]) -> Response:
    tag = f'"{hashlib.sha256(file.data).hexdigest()[:32]}"'
    headers = {**_HEADERS, **more, "ETag": tag}
    if tag in http.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.data, media_type=file.media_type, headers=headers)
