"""Clients of the load benchmark: one of each API, each with expectations of its answers."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.images import png_base64

PATIENCE = 300.0
"""Seconds after which a request counts as hung, even on a busy machine."""
SMALL = {"prompt": "a red apple", "width": 64, "height": 64}
NATIVE = {**SMALL, "num_inference_steps": 2}
_A1111 = {**SMALL, "steps": 2}
_LARGE = {**NATIVE, "width": 128, "height": 128}
_LINK = re.compile(
    r"""(https?://[^\s"'\\<>]+)|(?:href=|src=|"url":\s*|"pictures":\s*\[)"(/[^"]*)\""""
)
_CHANGING = re.compile(r"(?<=history/)-?[0-9]+|(?<=jobs/)[0-9a-f]+|[^/]+[.]png.*")
"""The parts of a path by which pictures and jobs are told apart."""
_NAMESPACES = "http://www.w3.org/"


class _RefusedError(Exception):
    """The answer was 429."""


@dataclass
class Findings:
    """What all clients saw."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests by what was asked and how it ended."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers that must not be."""
    links: Counter[str] = field(default_factory=Counter)
    """Links by whether they lead where the proxy serves the server."""
    waits: list[float] = field(default_factory=list)


class LoadClient:
    """A client that does one thing after the other, with a key."""

    def __init__(self, http: httpx.AsyncClient, key: str, findings: Findings) -> None:
        """`http` has the public URL of the server as its base, and sends the key."""
        self._http = http
        self._key = key
        self._findings = findings
        self._base = str(http.base_url)
        self._prefix = httpx.URL(self._base).path

    async def run(self, until: float) -> None:
        """Ask again and again until a monotonic time, and wait a little where it is refused."""
        actions: dict[Callable[[], Awaitable[None]], int] = {
            self._generate: 6,
            self._watch_job: 4,
            self._cancel_job: 3,
            self._leave: 2,
            self._a1111: 5,
            self._openai: 5,
            self._hugging_face: 2,
            self._look_around: 3,
            self._ask_for_too_much: 1,
        }
        while time.monotonic() < until:
            (action,) = random.choices(list(actions), list(actions.values()))
            try:
                await action()
            except _RefusedError:
                await asyncio.sleep(random.uniform(0.5, 1.5))
            except httpx.TransportError as error:
                self._findings.wrong[f"{action.__name__}: {type(error).__name__}"] += 1

    async def _generate(self) -> None:
        answer = await self._ask("POST", "generate", json=NATIVE, headers={"Accept": "image/png"})
        self._expect(answer.content[:4] == b"\x89PNG", "/generate: no PNG")

    async def _watch_job(self) -> None:
        job = await self._ask("POST", "jobs", 202, json=NATIVE)
        kinds = await self._events(job.json()["url"])
        self._expect(kinds[-1:] == ["finished"], f"events end with {kinds[-1:]}")
        state = (await self._ask("GET", job.json()["url"])).json()
        self._expect(state["state"] == "done", f"a finished job is {state['state']}")
        for url in state["pictures"]:
            await self._ask("GET", url)

    async def _cancel_job(self) -> None:
        job = await self._ask("POST", "jobs", 202, json={**NATIVE, "num_inference_steps": 20})
        url = job.json()["url"]
        await asyncio.sleep(random.uniform(0, 1))
        await self._ask("DELETE", url, 200, 409)
        kinds = await self._events(url)
        self._expect(kinds[-1:] in (["finished"], ["cancelled"]), f"events end with {kinds[-1:]}")

    async def _leave(self) -> None:
        try:
            await self._ask("POST", "generate", json=NATIVE, timeout=random.uniform(0.05, 1))
        except httpx.TimeoutException:
            self._findings.ends["POST generate", "left"] += 1

    async def _a1111(self) -> None:
        path, more = random.choice(
            [("txt2img", {}), ("img2img", {"init_images": [png_base64()]})],
        )
        answer = await self._ask("POST", f"sdapi/v1/{path}", json={**_A1111, **more})
        self._expect(len(answer.json()["images"]) == 1, f"{path}: no picture")
        await self._ask("GET", "sdapi/v1/progress")

    async def _openai(self) -> None:
        body = {"prompt": "a red apple", "size": "64x64", "steps": 2, "response_format": "url"}
        answer = await self._ask("POST", "v1/images/generations", json=body)
        picture = await self._ask("GET", answer.json()["data"][0]["url"])
        self._expect(picture.content[:4] == b"\x89PNG", "the link of OpenAI's API has no PNG")

    async def _hugging_face(self) -> None:
        parameters = {"width": 64, "height": 64, "num_inference_steps": 2}
        body = {"inputs": "a red apple", "parameters": parameters}
        await self._ask("POST", "models/pocket", json=body)

    async def _look_around(self) -> None:
        """The history, which has only pictures of the own key, and pages."""
        found = (await self._ask("GET", "history", params={"limit": 3})).json()["entries"]
        for entry in found[:1]:
            record = (await self._ask("GET", entry["url"])).json()["record"]
            owner = record.get("owner")
            self._expect(owner == self._key, f"{self._key} sees a picture of {owner}")
            await self._ask("GET", f"{entry['url']}/picture", params={"edge": 64})
        await self._ask("GET", "", headers={"Accept": "text/html"})
        await self._ask("GET", random.choice(["docs", "models", "sdapi/v1/sd-models", "v1/models"]))

    async def _ask_for_too_much(self) -> None:
        """Only the limit of one key is that low; the others get their picture."""
        status = 422 if self._key == "carol" else 200
        await self._ask("POST", "generate", status, json=_LARGE)

    async def _events(self, url: str) -> list[str]:
        """Read the events of a job to their end; returns their kinds."""
        answer = await self._ask("GET", f"{url}/events")
        return re.findall(r"^event: (\w+)", answer.text, re.MULTILINE)

    async def _ask(self, method: str, path: str, *expected: int, **options: Any) -> httpx.Response:
        """Send a request; returns an expected answer, by default 200. Raises _RefusedError."""
        short = path.removeprefix(self._base).removeprefix(self._prefix)
        name = f"{method} /{_CHANGING.sub('*', short)}"
        began = time.monotonic()
        answer = await self._http.request(method, _absolute(self._base, path), **options)
        self._findings.waits.append(time.monotonic() - began)
        self._findings.ends[name, str(answer.status_code)] += 1
        self._check_links(name, answer)
        if answer.status_code == 429:
            self._expect("Retry-After" in answer.headers, f"{name}: 429 without Retry-After")
            raise _RefusedError
        if answer.status_code not in (expected or (200,)):
            self._findings.wrong[f"{name}: {answer.status_code} {answer.text[:150]}"] += 1
            raise _RefusedError
        return answer

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._findings.wrong[otherwise] += 1

    def _check_links(self, name: str, answer: httpx.Response) -> None:
        for link in _links(answer):
            leads_inside = link.startswith((self._base, self._prefix))
            self._findings.links["inside" if leads_inside else "outside"] += 1
            self._expect(leads_inside, f"{name}: {link[:100]} leads outside")


def _absolute(base: str, path: str) -> str:
    """The URL of a path below the base, or of a link of an answer."""
    return str(httpx.URL(base).join(path)) if path else base


def _links(answer: httpx.Response) -> Iterator[str]:
    if location := answer.headers.get("Location"):
        yield location
    if answer.headers.get("Content-Type", "").startswith(("application/json", "text/")):
        for absolute, path in _LINK.findall(answer.text):
            if not absolute.startswith(_NAMESPACES):
                yield absolute or path
