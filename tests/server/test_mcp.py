"""Tools for agents, called by the official client over HTTP and within the process."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import httpx2
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.jobs import JobState
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import EngineStarting, Failed, Started
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.server.api.mcp.catalog import TOOLS
from sdtui.server.api.mcp.pictures import id_text, parse_id
from sdtui.server.api.mcp.progress import progress_text
from sdtui.server.api.mcp.server import ToolServer
from sdtui.server.api.mcp.stdio import local_request
from sdtui.server.dependencies import build_services
from sdtui.server.options import ServerOptions
from tests.support.fakes import FakeBackend, envelope
from tests.support.images import png_base64
from tests.support.live_server import KEY, Live
from tests.support.scripted_generator import ScriptedGenerator

_Mode = Literal["legacy", "auto"]
_JSON_RPC = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}
_LONG = {"prompt": "held"}
"""A call whose generator waits."""
_HANDSHAKE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@asynccontextmanager
async def _connected(
    running: Live, mode: _Mode = "auto", headers: dict[str, str] | None = None
) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, verify=False) as http,
        Client(streamable_http_client(f"{running.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend(models=("pocket", "other"), prompts=("a cat", "a dog"))


@pytest.fixture
def tools(own_folders: Path, backend: FakeBackend) -> ToolServer:
    """The tools as over stdio, of a backend in which nothing works."""
    services = build_services(Settings(), ServerOptions(), backend)
    backend.jobs.subscribe(services.job_events.put)
    return ToolServer(services, local_request)


def _text(result: types.CallToolResult) -> str:
    assert isinstance(result.content[-1], types.TextContent)
    return result.content[-1].text


def _message(method: str, params: dict[str, Any], **call: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params, **call}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_picture_is_shown_small_with_a_link_to_the_whole_and_progress(
    scripted: Live, mode: _Mode
) -> None:
    reports: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert message
        reports.append((progress, total))

    async with _connected(scripted, mode) as client:
        arguments = {"prompt": "an apple", "width": 2048, "height": 1024, "seed": 7}
        result = await client.call_tool("generate_image", arguments, progress_callback=note)
    shown, link, text = result.content
    assert isinstance(shown, types.ImageContent)
    assert isinstance(link, types.ResourceLink)
    with Image.open(io.BytesIO(base64.b64decode(shown.data))) as image:
        assert max(image.size) <= 1024
        assert shown.mime_type == Image.MIME[image.format or ""]
    assert httpx.get(link.uri).content.startswith(b"\x89PNG")
    assert isinstance(text, types.TextContent)
    assert json.loads(text.text) == result.structured_content
    (made,) = result.structured_content["pictures"]
    assert (made["seed"], made["url"]) == (7, link.uri)
    assert reports == sorted(set(reports))
    assert all(total == 100 for _, total in reports)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_cancelled_call_cancels_its_job(
    scripted: Live, generator: ScriptedGenerator, mode: _Mode
) -> None:
    generator.hold.set()
    async with _connected(scripted, mode) as client:
        call = asyncio.ensure_future(client.call_tool("generate_image", _LONG))
        await asyncio.to_thread(scripted.until, lambda: bool(generator.requests))
        call.cancel()
        await asyncio.to_thread(scripted.until, lambda: _states(scripted) == [JobState.CANCELLED])
        assert not (await client.call_tool("list_models", {})).is_error


def _states(running: Live) -> list[JobState]:
    return [job.state for job in running.backend.jobs.jobs()]


async def test_call_is_cancelled_within_its_own_session_only(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    async with httpx.AsyncClient(base_url=scripted.url, headers=_JSON_RPC, timeout=30) as http:
        first = await http.post("/mcp", json=_message("initialize", _HANDSHAKE, id=0))
        session = {"Mcp-Session-Id": first.headers["Mcp-Session-Id"]}
        params = {"name": "generate_image", "arguments": _LONG}
        call = asyncio.ensure_future(
            http.post("/mcp", json=_message("tools/call", params, id="c"), headers=session)
        )
        await asyncio.to_thread(scripted.until, lambda: bool(generator.requests))
        cancelled = _message("notifications/cancelled", {"requestId": "c"})
        other = {"Mcp-Session-Id": "other"}
        assert (await http.post("/mcp", json=cancelled, headers=other)).status_code == 202
        assert _states(scripted) == [JobState.RUNNING]
        await http.post("/mcp", json=cancelled, headers=session)
        assert '"code":-32800' in (await call).text
    await asyncio.to_thread(scripted.until, lambda: _states(scripted) == [JobState.CANCELLED])


def test_client_that_disconnects_cancels_its_job(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    params = {"name": "generate_image", "arguments": _LONG}
    body = json.dumps(_message("tools/call", params, id=1))
    head = "".join(f"{name}: {value}\r\n" for name, value in _JSON_RPC.items())
    with socket.create_connection(scripted.address) as client:
        client.sendall(
            f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{head}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        scripted.until(lambda: bool(generator.requests))
    scripted.until(lambda: _states(scripted) == [JobState.CANCELLED])


async def test_picture_is_named_by_its_id_or_sent(
    scripted: Live, generator: ScriptedGenerator, tmp_path: Path
) -> None:
    async with _connected(scripted) as client:
        made = await client.call_tool("generate_image", {"prompt": "a cat"})
        known = made.structured_content["pictures"][0]["id"]
        edited = {"prompt": "a dog", "init_image": known, "mask_image": png_base64()}
        assert not (await client.call_tool("edit_image", edited)).is_error
        enlarged = await client.call_tool("upscale_image", {"upscale_image": known})
        assert not enlarged.is_error, _text(enlarged)
        found = await client.call_tool("search_history", {"query": "cat"})
        assert known in [each["id"] for each in found.structured_content["pictures"]]
        shown = await client.call_tool("get_image", {"id": known})
        assert shown.structured_content["request"]["prompt"] == "a cat"
    _, edit, upscale = generator.requests
    assert (edit.width, edit.height) == (None, None)  # what fits a mask is the engine's
    assert edit.input_images().keys() == {"init_image", "mask_image"}
    assert upscale.upscale.factor == 2
    assert not any((tmp_path / "state" / "sdtui" / "server" / "uploads").iterdir())


async def test_wrong_argument_is_an_error_of_the_tool_with_a_sentence(tools: ToolServer) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("generate_image", {}, "prompt: is missing"),
        ("edit_image", {"prompt": "x"}, "init_image: is missing"),
        ("generate_image", {"prompt": "x", "width": 100}, "multiple of 8, not 100"),
        ("generate_image", {"prompt": "x", "wdith": 64}, "wdith: is not a field"),
        ("generate_image", {"prompt": "x", "sampler": "no"}, 'list_models of kind "samplers"'),
        ("edit_image", {"prompt": "x", "init_image": "/no.png"}, "/no.png can't be read"),
        ("edit_image", {"prompt": "x", "init_image": "77"}, 'no picture "77"'),
        ("get_image", {"id": "gone/0"}, 'no picture "gone/0"'),
        ("get_image", {"id": "../x"}, 'no picture "../x"'),
        ("list_models", {"kind": "cars"}, "must be 'models'"),
        ("search_history", {"limit": 99}, "limit: must be at most 50"),
    ]
    async with Client(tools.protocol) as agent:
        for tool, arguments, message in cases:
            result = await agent.call_tool(tool, arguments)
            assert result.is_error, arguments
            assert message in _text(result)


async def test_unknown_tool_and_internal_error_are_errors_of_the_protocol(
    tools: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdtui.server.api.mcp.server.shown_copy", lambda *_: 1 // 0)
    async with Client(tools.protocol) as agent:
        with pytest.raises(MCPError, match="no tool paint"):
            await agent.call_tool("paint", {})
        with pytest.raises(MCPError, match=r"sdtui met an internal error \(\w+\)"):
            await agent.call_tool("get_image", {"id": "1"})


async def test_tools_are_described_by_the_fields_of_requests(tools: ToolServer) -> None:
    async with Client(tools.protocol) as agent:
        listed = {each.name: each for each in (await agent.list_tools()).tools}
    assert listed.keys() == TOOLS.keys()
    for tool in listed.values():
        assert set(tool.input_schema.get("required", ())) <= tool.input_schema["properties"].keys()
        assert len(tool.description or "") > 40
    steps = listed["generate_image"].input_schema["properties"]["num_inference_steps"]
    spec = REQUEST_FIELDS["num_inference_steps"].spec
    assert steps == {
        "type": "integer",
        "description": spec.help,
        "minimum": spec.ge,
        "maximum": spec.le,
    }
    assert {name for tool in TOOLS.values() for name in tool.fields} <= REQUEST_FIELDS.keys()


async def test_lists_and_searches_read_the_backend(tools: ToolServer) -> None:
    async with Client(tools.protocol) as agent:
        models = (await agent.call_tool("list_models", {})).structured_content["items"]
        found = await agent.call_tool("search_history", {"query": "dog"})
        assert [(each["name"], each["is_default"]) for each in models] == [
            ("pocket", True),
            ("other", False),
        ]
    assert [each["prompt"] for each in found.structured_content["pictures"]] == ["a dog"]


async def test_job_of_a_client_without_http_is_made_like_any_other(
    backend: FakeBackend, tools: ToolServer
) -> None:
    async with Client(tools.protocol) as agent:
        call = asyncio.ensure_future(agent.call_tool("generate_image", {"prompt": "x"}))
        while not backend.jobs.jobs():
            await asyncio.sleep(0.001)
        (job,) = backend.jobs.jobs()
        backend.jobs.publish(job.id, Failed(error="no luck", error_type="ModelError"))
        result = await call
    assert result.is_error
    assert "no luck" in _text(result)


def test_messages_that_are_none_are_refused_as_json_rpc(locked: Live) -> None:
    def error(content: str, status: int) -> dict[str, Any]:
        answer = ask.post("/mcp", content=content, headers={**_JSON_RPC, "X-API-Key": KEY})
        assert answer.status_code == status, answer.text
        assert answer.json()["id"] is None
        found: dict[str, Any] = answer.json()["error"]
        return found

    with locked.client() as ask:
        assert error("{", 400)["code"] == -32700
        assert error("[]", 400)["code"] == -32602
        assert "larger than 100,000 bytes" in error("x" * 100_001, 413)["message"]
        answer = ask.post("/mcp", json={}, headers=_JSON_RPC)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, -32000)
        answer = ask.get("/mcp", headers={"X-API-Key": KEY})  # no stream: no message of its own
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_id_of_a_picture_is_its_number_in_the_history_or_its_place_in_a_job() -> None:
    for text in ("42", "5b1e90ac77d2/3"):
        picture = parse_id(text)
        assert picture is not None
        assert id_text(picture) == text
    for text in ("", "a/b", "1/2/3", "iVBORw0KGgo=", "../1", "9" * 20):
        assert parse_id(text) is None


def test_progress_says_what_is_done_before_the_first_step() -> None:
    progress = JobProgress("j")
    assert progress_text(progress) == "waiting for other jobs"
    assert progress_text(_after(progress, EngineStarting())) == "loading PyTorch"
    assert progress_text(_after(progress, Started(seed=1))) == "started with seed 1"


def _after(progress: JobProgress, event: EngineStarting | Started) -> JobProgress:
    return progress.apply(envelope("j", event))
