"""Every address that the server gives to clients works on their side of reverse proxies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from sdtui.core.errors import SettingsError
from sdtui.server.middleware.proxy import ForwardedMiddleware
from sdtui.server.options import ServerOptions
from tests.support.live_server import BODY, Live, live
from tests.support.proxy import Change, proxy
from tests.support.scripted_generator import ScriptedGenerator


@dataclass(frozen=True)
class Setup:
    """Proxies, the outermost first, and the address by which clients know the server."""

    public: str
    proxies: Sequence[Change]
    root_path: str = ""


def _sets(strip: str = "", **values: str) -> Change:
    """A proxy that removes a prefix from paths and sets headers."""

    def change(path: str, headers: dict[str, str]) -> tuple[str, Mapping[str, str]]:
        added = {name.replace("_", "-"): value for name, value in values.items()}
        return path.removeprefix(strip) or "/", {**headers, **added}

    return change


def _appends(strip: str = "", **values: str) -> Change:
    """A proxy that adds its values to the lists in headers."""

    def change(path: str, headers: dict[str, str]) -> tuple[str, Mapping[str, str]]:
        added = {}
        for name, value in values.items():
            header = name.replace("_", "-")
            added[header] = f"{headers[header]}, {value}" if header in headers else value
        return path.removeprefix(strip) or "/", {**headers, **added}

    return change


SETUPS = {
    "prefix is removed": Setup(
        "https://pictures.example:8443/sd",
        [
            _sets(
                "/sd",
                host="127.0.0.1",
                x_forwarded_host="pictures.example:8443",
                x_forwarded_proto="https",
                x_forwarded_prefix="/sd",
            )
        ],
    ),
    "prefix is kept": Setup("http://pictures.example/sd", [_sets()], "/sd"),
    "prefix is an option": Setup("http://pictures.example/a/b", [_sets("/a/b")], "/a/b"),
    "port apart from the host": Setup(
        "https://pictures.example:444",
        [_sets(host="pictures.example", x_forwarded_port="444", x_forwarded_proto="https")],
    ),
    "usual port in the host": Setup(
        "https://pictures.example",
        [_sets(x_forwarded_host="pictures.example:443", x_forwarded_proto="HTTPS")],
    ),
    "usual port apart": Setup(
        "http://pictures.example",
        [_sets(x_forwarded_host="pictures.example", x_forwarded_port="80")],
    ),
    "IPv6": Setup(
        "https://[2001:db8::1]:8443/sd",
        [
            _sets(
                "/sd",
                x_forwarded_host="[2001:db8::1]:8443",
                x_forwarded_proto="https",
                x_forwarded_prefix="/sd/",
            )
        ],
    ),
    "chain of two": Setup(
        "https://pictures.example/a/b",
        [
            _appends(
                "/a",
                host="inner.example",
                x_forwarded_for="203.0.113.9",
                x_forwarded_host="pictures.example",
                x_forwarded_proto="https",
                x_forwarded_port="443",
                x_forwarded_prefix="/a",
            ),
            _appends(
                "/b",
                host="127.0.0.1:1",
                x_forwarded_for="10.0.0.1",
                x_forwarded_host="inner.example",
                x_forwarded_proto="http",
                x_forwarded_port="80",
                x_forwarded_prefix="/b",
            ),
        ],
    ),
    "RFC 7239": Setup(
        "https://pictures.example:8443/sd",
        [
            _sets(
                host="127.0.0.1",
                forwarded='for="[2001:db8::17]:47011"; proto=https; host="pictures.example:8443"',
            )
        ],
        "/sd",
    ),
    "RFC 7239, chain of two": Setup(
        "https://pictures.example",
        [
            _appends(forwarded="For=203.0.113.9;Host=pictures.example;Proto=https"),
            _appends(host="127.0.0.1", forwarded="for=10.0.0.1;host=inner;proto=http"),
        ],
    ),
}


class Outside:
    """A client that reaches the server by its public address alone."""

    def __init__(self, setup: Setup, address: tuple[str, int]) -> None:
        self.origin, _, path = setup.public.partition("//")[2].partition("/")
        self.origin = setup.public.partition("//")[0] + "//" + self.origin
        self.prefix = f"/{path}" if path else ""
        host = self.origin.partition("//")[2]
        self.http = httpx.Client(
            base_url="http://{}:{}".format(*address),
            headers={"Host": host, "X-API-Key": "secret"},
            timeout=60,
        )

    def get(self, address: str) -> httpx.Response:
        """Follow an address that the server gave, absolute or from the root."""
        path = address.removeprefix(self.origin)
        assert path.startswith(f"{self.prefix}/"), address
        answer = self.http.get(path)
        assert answer.status_code == 200, (address, answer.text)
        return answer

    def post(self, path: str, **headers: str) -> httpx.Response:
        """Send a request that every generating route takes."""
        body = {**BODY, "response_format": "url"} if path.startswith("/v1") else BODY
        return self.http.post(self.prefix + path, json=body, headers=headers)


@pytest.mark.parametrize("name", SETUPS)
def test_every_address_works_behind_proxies(
    name: str, tmp_path: Path, generator: ScriptedGenerator
) -> None:
    setup = SETUPS[name]
    trusted = () if setup.root_path and name.startswith("prefix") else ("127.0.0.1",)
    with (
        live(
            tmp_path,
            lambda _: generator,
            api_key="secret",
            root_path=setup.root_path,
            trusted_proxies=(*trusted, "10.0.0.0/8") if trusted else (),
        ) as running,
        ExitStack() as stack,
    ):
        address = running.address
        for change in reversed(setup.proxies):
            address = stack.enter_context(proxy(address, change))
        outside = Outside(setup, address)
        stack.enter_context(outside.http)
        _check_addresses(running, outside)


def _check_addresses(running: Live, outside: Outside) -> None:
    link = outside.post("/v1/images/generations").json()["data"][0]["url"]
    assert link.startswith(f"{outside.origin}{outside.prefix}/pictures/")
    assert outside.get(link).content[:4] == b"\x89PNG"

    job = outside.post("/jobs", Origin=outside.origin)
    assert job.status_code == 202, job.text
    assert outside.post("/jobs", Origin="https://evil.example").status_code == 403
    url = outside.get(job.headers["location"]).json()["url"]
    running.until(lambda: outside.get(url).json()["state"] == "done")
    assert "event: finished" in outside.get(f"{url}/events").text
    for picture in outside.get(url).json()["pictures"]:
        outside.get(picture)
    for listed in outside.get(f"{outside.prefix}/jobs/").json():
        outside.get(listed["url"])
    entry = outside.get(f"{outside.prefix}/history").json()["entries"][0]
    outside.get(f"{outside.get(entry['url']).json()['entry']['url']}/picture")

    assert outside.post("/sdapi/v1/txt2img/").status_code == 200
    document = outside.get(f"{outside.prefix}/openapi.json").json()
    servers = [{"url": outside.prefix}] if outside.prefix else []
    assert document.get("servers", []) == servers
    for page in ("docs", "redoc", "docs/"):
        text = outside.get(f"{outside.prefix}/{page}").text
        found = re.findall(r'["\'](/[\w./-]+)["\']', text)  # all from the root
        assert len(found) > 1
        assert "://" not in text
        for each in found:
            outside.get(each)
    start = outside.http.get(f"{outside.prefix}/")
    outside.get(start.headers["location"])


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Port": "99"},
        {"X-Forwarded-Prefix": "/evil"},
        {"Forwarded": "host=evil.example;proto=https"},
    ],
)
def test_headers_of_an_untrusted_address_change_no_address(
    headers: dict[str, str], tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        body = {**BODY, "response_format": "url"}
        answer = ask.post("/v1/images/generations", json=body, headers=headers)
        assert answer.json()["data"][0]["url"].startswith(f"{running.url}/pictures/")
        assert ask.post("/jobs", json=BODY, headers=headers).headers["location"][:6] == "/jobs/"
        origin = {"Origin": "https://evil.example"}
        assert ask.post("/jobs", json=BODY, headers=headers | origin).status_code == 403


@pytest.mark.parametrize(
    ("trusted", "client"), [((), "127.0.0.1"), (("127.0.0.1",), "203.0.113.5")]
)
def test_address_in_a_header_is_believed_from_trusted_proxies_only(
    trusted: tuple[str, ...], client: str, tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(tmp_path, lambda _: generator, trusted_proxies=trusted) as running,
        ThreadPoolExecutor(1) as thread,
        running.client(headers={"X-Forwarded-For": "203.0.113.5"}) as ask,
    ):
        generator.hold.set()
        waiting = thread.submit(ask.post, "/sdapi/v1/txt2img", json=BODY)
        clients = running.services.a1111.clients
        running.until(lambda: bool(clients))
        assert list(clients.values()) == [client]
        generator.hold.clear()
        assert waiting.result().status_code == 200


async def _receive() -> Message:
    raise AssertionError


async def _send(_: Message) -> None:
    raise AssertionError


async def _seen(trusted: Sequence[str], client: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What an application sees of a request that came through the middleware."""
    seen: dict[str, str] = {}

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen["client"] = scope["client"][0]
        seen["scheme"] = scope["scheme"]
        seen["host"] = dict(scope["headers"])[b"host"].decode()
        seen["prefix"] = scope.get("root_path", "")

    scope = {
        "type": "http",
        "scheme": "http",
        "client": (client, 1),
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in {"Host": "own:7860", **headers}.items()
        ],
    }
    await ForwardedMiddleware(app, trusted)(scope, _receive, _send)
    return seen


OWN = {"client": "127.0.0.1", "scheme": "http", "host": "own:7860", "prefix": ""}


@pytest.mark.parametrize(
    ("headers", "changed"),
    [
        ({"X-Forwarded-For": "203.0.113.9, 10.0.0.1"}, {"client": "203.0.113.9"}),
        ({"X-Forwarded-For": "1.2.3.4, 203.0.113.9"}, {"client": "203.0.113.9"}),
        ({"X-Forwarded-For": "[2001:db8::1]:5"}, {"client": "2001:db8::1"}),
        ({"Forwarded": 'for="[2001:db8::1]:5"'}, {"client": "2001:db8::1"}),
        ({"Forwarded": 'host="a\\"b"'}, {}),
        ({"Forwarded": "host=a.example;;proto=https"}, {"host": "a.example"}),
        ({"Forwarded": "host=evil/path"}, {}),
        ({"X-Forwarded-Proto": "gopher"}, {}),
        ({"X-Forwarded-Proto": "wss"}, {}),
        ({"X-Forwarded-Host": "evil/x"}, {}),
        ({"X-Forwarded-Host": "a, evil/x"}, {"host": "a"}),
        ({"X-Forwarded-Prefix": "/a, //evil"}, {}),
        ({"X-Forwarded-Host": "a", "Forwarded": "host=b;proto=https"}, {"host": "a"}),
        ({"X-Forwarded-Port": "99"}, {}),  # the Host header has a port
    ],
)
async def test_values_of_trusted_proxies(headers: dict[str, str], changed: dict[str, str]) -> None:
    trusted = ("127.0.0.1", "10.0.0.0/8")
    for client in ("127.0.0.1", "::ffff:127.0.0.1"):
        assert await _seen(trusted, client, headers) == OWN | changed
    assert await _seen(trusted, "192.0.2.1", headers) == OWN | {"client": "192.0.2.1"}


@pytest.mark.parametrize("address", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "nginx", "", "::1/"])
def test_proxies_that_never_match_are_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="--trusted-proxy"):
        ServerOptions(trusted_proxies=(address,)).check()
    ServerOptions(trusted_proxies=("*", "::1", "fd00::/8", "10.0.0.0/8")).check()
