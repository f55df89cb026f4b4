"""The tools as a server of the official library. Imported only where MCP is used."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import mcp_types as types
from fastapi import Request
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from sdtui import __version__
from sdtui.core.errors import SdtuiError
from sdtui.core.text import shortened
from sdtui.server.api.mcp.catalog import INSTRUCTIONS, TOOLS, Tool
from sdtui.server.api.mcp.headers import SESSION
from sdtui.server.api.mcp.pictures import shown_copy
from sdtui.server.api.mcp.tools import ToolAnswer, ToolCall
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import ApiError, from_sdtui, from_validation
from sdtui.server.services.callers import caller_of

_log = logging.getLogger(__name__)
_CANCELLED = -32800
"""The code for a request that was cancelled, as the library has it."""
_LINKS_SINCE = "2025-06-18"
"""The version of the protocol that introduced links in answers."""
_TOOLS_OF_ROUTES = {
    "/samplers": 'list_models of kind "samplers"',
    "/loras": 'list_models of kind "loras"',
    "/history": "search_history",
}
"""What hints name, and what agents have in its place."""

_Context = ServerRequestContext[Any, Request]
_CallKey = tuple[str, str, types.RequestId]
"""Caller, session and id of a call."""


class ToolServer:
    """Answers the requests of clients: lists the tools and calls them."""

    def __init__(
        self, services: ServerServices, local_request: Callable[[], Request] | None = None
    ) -> None:
        """`local_request` stands in for the HTTP request where there is none: clients are then
        on this machine and may name files."""
        self._services = services
        self._local_request = local_request
        self._calls: dict[_CallKey | None, anyio.CancelScope] = {}
        self.protocol = Server(
            "sdtui",
            version=__version__,
            title="sdtui",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        if local_request is None:  # else the library finds the call itself
            self.protocol.add_notification_handler(
                "notifications/cancelled", types.CancelledNotificationParams, self._cancel
            )
        is_local = local_request is not None
        self._tools = [_described(each, is_local) for each in TOOLS.values()]

    async def _list(
        self, _: _Context, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._tools)

    async def _call(
        self, context: _Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            name = shortened(params.name)
            raise MCPError(code=types.INVALID_PARAMS, message=f"There is no tool {name}")
        http = context.request if self._local_request is None else self._local_request()
        assert http is not None
        with anyio.CancelScope() as scope:
            key = _key(http, context.request_id)
            if key is not None:
                self._calls[key] = scope
            try:
                return await self._answer(tool, context, http, params.arguments or {})
            finally:
                self._calls.pop(key, None)
        raise MCPError(code=_CANCELLED, message="Request cancelled")

    async def _cancel(self, context: _Context, params: types.CancelledNotificationParams) -> None:
        assert context.request is not None
        scope = self._calls.get(_key(context.request, params.request_id))
        if scope is not None:
            scope.cancel()

    async def _answer(
        self, tool: Tool, context: _Context, http: Request, arguments: Mapping[str, Any]
    ) -> types.CallToolResult:
        async def report(percent: float, text: str) -> None:
            await context.session.report_progress(percent, 100, text)

        services = self._services.views.of(self._services, caller_of(http))
        call = ToolCall(services, http, report, is_local=self._local_request is not None)
        try:
            tool.check(arguments)
            answer = await tool.run(call, arguments)
            has_links = context.protocol_version >= _LINKS_SINCE
            return await anyio.to_thread.run_sync(_result, services, answer, has_links)
        except ApiError as error:
            return _failed(error.message)
        except SdtuiError as error:
            return _failed(from_sdtui(error).message)
        except ValidationError as error:
            return _failed(from_validation(error.errors()).message)
        except Exception as error:
            error_id = secrets.token_hex(8)
            _log.exception("MCP call %s of %s", error_id, tool.name)
            message = f"sdtui met an internal error ({error_id})."
            raise MCPError(code=types.INTERNAL_ERROR, message=message) from error


def _result(services: ServerServices, answer: ToolAnswer, has_links: bool) -> types.CallToolResult:
    data = answer.data.model_dump(mode="json", exclude_none=True)
    pictures = services.backend.pictures
    content: list[types.ContentBlock] = []
    for picture in answer.shown:
        shown, media_type = shown_copy(pictures, picture, answer.side)
        encoded = base64.b64encode(shown).decode()
        content.append(types.ImageContent(type="image", data=encoded, mime_type=media_type))
    for placed in answer.shown.values():
        if has_links and placed.uri is not None:
            content.append(types.ResourceLink(name=f"picture {placed.id}", uri=placed.uri))
    text = json.dumps(data, ensure_ascii=False)
    content.append(types.TextContent(type="text", text=text))
    return types.CallToolResult(content=content, structured_content=data)


def _key(http: Request, call: types.RequestId | None) -> _CallKey | None:
    """Return the key of a call, None for one that nobody can name."""
    session = http.headers.get(SESSION)
    return None if session is None or call is None else (caller_of(http).name, session, call)


def _described(tool: Tool, is_local: bool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema(allow_files=is_local),
        output_schema=tool.output_schema(),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.is_read_only,
            destructive_hint=False,
            idempotent_hint=tool.is_read_only,
            open_world_hint=False,
        ),
    )


def _failed(message: str) -> types.CallToolResult:
    for route, tool in _TOOLS_OF_ROUTES.items():
        message = message.replace(f" {route} ", f" {tool} ")
    content = types.TextContent(type="text", text=message)
    return types.CallToolResult(content=[content], is_error=True)
