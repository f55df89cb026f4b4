"""Webhooks of jobs and grids."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.server
import json
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from sdtui.core.errors import InvalidRequestError, SettingsError
from sdtui.jobs import JobState
from sdtui.server.options import ServerOptions
from sdtui.server.services import webhooks
from sdtui.server.services.signed_links import SignedLinks
from sdtui.server.services.webhook_targets import WebhookError, WebhookHosts, send
from sdtui.server.services.webhooks import Webhook, Webhooks, read_secret
from tests.support.live_server import PATIENCE, QUICK, Live, live
from tests.support.scripted_generator import ScriptedGenerator

SECRET = b"a secret of many letters"


class Receiver:
    """A program that receives webhooks."""

    def __init__(self) -> None:
        self.received: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()
        self.statuses: list[int] = []
        """Of the next answers; 204 if there is none."""
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.put((self.path, dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=1"

    def next(self) -> dict[str, Any]:
        """Wait for a webhook whose signature is right, and return its body."""
        path, headers, body = self.received.get(timeout=PATIENCE)
        assert path == "/hook?a=1"
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{signature}"
        found: dict[str, Any] = json.loads(body)
        return {"webhook-id": headers["webhook-id"], **found}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("secret") / "secret"
    file.write_bytes(SECRET + b"\n")
    return {"webhook_hosts": ("127.0.0.1",), "webhook_secret": file, "warm": False}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any]) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("webhooks")
    with live(folder, lambda _: ScriptedGenerator(), **options) as running:
        yield running


@pytest.fixture
def ask(server: Live) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_end_of_a_job_is_reported_with_links_to_its_pictures(
    ask: httpx.Client, receiver: Receiver
) -> None:
    body = {**QUICK, "num_images_per_prompt": 2, "webhook_url": receiver.url}
    job = ask.post("/jobs", json=body).json()["id"]
    payload = receiver.next()
    assert (payload["type"], payload["data"]["id"]) == ("job.finished", job)
    assert payload["data"]["url"] == f"{ask.base_url}".rstrip("/") + f"/jobs/{job}"
    pictures = [httpx.get(url, verify=False) for url in payload["data"]["pictures"]]
    assert [each.status_code for each in pictures] == [200, 200]


def test_grid_is_reported_once_when_its_last_job_has_ended(
    ask: httpx.Client, receiver: Receiver
) -> None:
    axis = {"axis": "steps", "values": "1,2"}
    body = {"request": QUICK, "x": axis, "webhook_url": receiver.url}
    grid = ask.post("/grids", json=body).json()["id"]
    payload = receiver.next()
    assert (payload["type"], payload["data"]["id"]) == ("grid.finished", grid)
    assert len(payload["data"]["pictures"]) == 2
    assert receiver.received.empty()


def test_webhook_is_sent_again_until_it_is_taken(
    ask: httpx.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_DELAYS", (0.01, 0.01, 0.01))
    receiver.statuses = [500, 302]  # a redirect isn't followed
    ask.post("/jobs", json={**QUICK, "webhook_url": receiver.url})
    ids = {receiver.next()["webhook-id"] for _ in range(3)}
    assert len(ids) == 1


def test_open_webhooks_survive_a_restart(
    tmp_path: Path, receiver: Receiver, options: dict[str, Any]
) -> None:
    generator = ScriptedGenerator()
    generator.hold.set()
    with live(tmp_path, lambda _: generator, grace=0, **options) as first, first.client() as client:
        kept, cancelled = (
            client.post("/jobs", json={**QUICK, "webhook_url": receiver.url}).json()["id"]
            for _ in range(2)
        )
        client.delete(f"/jobs/{cancelled}")
        assert receiver.next()["type"] == "job.cancelled"
    assert receiver.received.empty()  # what the shutdown stopped goes on
    with live(tmp_path, lambda _: ScriptedGenerator(), **options):
        payload = receiver.next()
        assert (payload["type"], payload["data"]["id"]) == ("job.finished", kept)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://bots.example/",
        "https://other.example/",
        "https://bots.example:444/",
        "https://me@bots.example/",
        "https://bots.example/#part",
        "https://bots.example/\r\nX-Injected: 1",
        "http://10.0.0.5/",
        "http://2130706433/",
        "https:///path",
        "https://bots.example:x/",
        "https://bots.example/" + 2000 * "a",
    ],
)
def test_url_that_is_not_allowed_is_refused(url: str) -> None:
    hosts = WebhookHosts.parse(["bots.example", "10.1.0.0/16"])
    with pytest.raises(InvalidRequestError):
        hosts.check(url)


def test_url_of_a_listed_host_is_allowed() -> None:
    hosts = WebhookHosts.parse(["bots.example.", "bots.example:8443", "10.1.0.0/16"])
    for url in ("https://BOTS.example/a?b", "http://bots.example:8443/", "http://10.1.2.3:99/"):
        hosts.check(url)
    hosts.check("https://bots.example./")


@pytest.mark.parametrize("host", ["10.1.2.3:99", "bots.example:0", "bots.example:65536", "127.1"])
def test_host_that_no_url_could_have_is_refused_at_the_start(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a host or network"):
        ServerOptions(webhook_hosts=(host,), webhook_secret=tmp_path).check()


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.1.0.7", True),
        ("10.0.0.7", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("fec0::1", False),  # site-local
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b::5db8:d70e", True),  # 93.184.215.14 in a network that has IPv6 alone
    ],
)
def test_name_leads_to_public_or_listed_addresses_only(address: str, is_allowed: bool) -> None:
    assert WebhookHosts.parse(["bots.example", "10.1.0.0/16"]).may_reach(address) is is_allowed


def test_name_that_leads_to_this_machine_is_not_connected_to(receiver: Receiver) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    hosts = WebhookHosts.parse([f"localhost:{port}"])
    with pytest.raises(WebhookError, match="no address"):
        asyncio.run(send(hosts, f"http://localhost:{port}/", b"{}", {}))
    assert receiver.received.empty()


def test_next_address_is_tried_and_early_hints_are_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n")
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def resolve(*_: object, **__: object) -> list[Any]:
            # The first isn't allowed, and nobody listens at the second.
            return [(0, 0, 0, "", (each, port)) for each in ("10.0.0.1", "127.0.0.2", "127.0.0.1")]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        hosts = WebhookHosts.parse([f"bots.example:{port}", "127.0.0.0/8"])
        async with server:
            await send(hosts, f"http://bots.example:{port}/", b"{}", {})

    asyncio.run(run())


def _webhooks(folder: Path, state: JobState) -> Webhooks:
    job = SimpleNamespace(id="j", grid=None, state=state, has_remaining=False)
    backend: Any = SimpleNamespace(jobs=SimpleNamespace(jobs=lambda: [job]))
    return Webhooks(folder, backend, SignedLinks(b"s"), WebhookHosts.parse([]), SECRET)


def test_job_that_ended_before_its_webhook_was_known_is_reported(tmp_path: Path) -> None:
    hooks = _webhooks(tmp_path, JobState.DONE)
    asyncio.run(hooks.add("j", "https://a", is_grid=False, server="", links="", owner=""))
    assert hooks._ended.get_nowait().outcome == "finished"


def test_restart_is_no_reason_for_an_earlier_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def attempt(_: Webhook) -> None: ...

    hooks = _webhooks(tmp_path, JobState.DONE)
    hook = Webhook(id="m", work="j", is_grid=False, url="", server="", links="", attempts=3)
    hook.due = time.time() + 600
    hooks._open["j"] = hook
    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(hooks, "_attempt", attempt)
    asyncio.run(hooks._deliver(hook))
    assert 590 < max(waited) <= 600


def test_jobs_have_no_webhooks_unless_hosts_are_listed(
    ask: httpx.Client, receiver: Receiver
) -> None:
    refused = ask.post("/jobs", json={**QUICK, "webhook_url": "https://other.example/"})
    assert refused.status_code == 422
    assert refused.json()["error"]["problems"][0]["field"] == "webhook_url"
    assert ask.post("/jobs", json={**QUICK, "webhook_url": 5}).status_code == 422
    assert ask.post("/generate", json={**QUICK, "webhook_url": receiver.url}).status_code == 422
    with pytest.raises(InvalidRequestError):
        WebhookHosts.parse([]).check(receiver.url)


def test_secret_is_needed_and_may_be_base64(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="secret"):
        ServerOptions(webhook_hosts=("bots.example",)).check()
    file = tmp_path / "secret"
    file.write_text("whsec_" + base64.b64encode(SECRET).decode())
    assert read_secret(file) == SECRET
    file.write_text("short")
    with pytest.raises(SettingsError, match="shorter"):
        read_secret(file)
