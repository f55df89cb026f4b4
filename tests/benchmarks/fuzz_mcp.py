"""Fuzz MCP over HTTP: messages of every kind, and calls of every tool with arguments that fit its
schema or don't.

python -m tests.benchmarks.fuzz_mcp [--messages 2000] [--seed 0]

No answer may be a server error, each must be JSON-RPC, and what tools answer with must fit their
schemas.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.support.images import png_base64
from tests.support.live_server import live
from tests.support.scripted_generator import ScriptedGenerator

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
_MODERN = "2026-07-28"
_METHODS = (
    *("initialize", "ping", "tools/list", "tools/call", "resources/list", "prompts/get"),
    *("server/discover", "notifications/cancelled", "notifications/progress", "", "a" * 3000),
)
_ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1.5,
        1e400,
        2**70,
        "",
        "x",
        "\0",
        "\x1b[31m",
        "é" * 5000,
        "../../etc/passwd",
    ),
    *([], [[]], {}, {"a": None}, "http://localhost/a.png", "data:image/png;base64,AAAA", "9" * 30),
)
_LARGE = 70_000


class _Fuzzer:
    """Makes messages and checks answers."""

    def __init__(self, http: httpx.Client, seed: int) -> None:
        self._http = http
        self._random = random.Random(seed)
        answer = self._results(self._send(_message("tools/list", {}, 1)))[0]
        self._tools = {each["name"]: each for each in answer["result"]["tools"]}
        self._known = ["1", "gone/0", png_base64()]
        self.outcomes: Counter[str] = Counter()

    def run(self, count: int) -> None:
        """Send messages, three of four of which are calls of tools."""
        for number in range(count):
            if self._random.random() < 0.75:
                name = self._random.choice(list(self._tools))
                arguments = self._arguments(self._tools[name]["inputSchema"])
                params = {"name": name, "arguments": arguments}
                self._check(self._send(_message("tools/call", params, number)), name)
            else:
                self._check(self._send(self._any_message(number)), None)

    def _send(self, message: Any) -> httpx.Response:
        text = message if isinstance(message, str) else json.dumps(message)
        headers = dict(_HEADERS)
        if self._random.random() < 0.3:
            headers["Mcp-Protocol-Version"] = self._random.choice([_MODERN, "2025-06-18", "x"])
        return self._http.post("/mcp", content=text, headers=headers)

    def _any_message(self, number: int) -> Any:
        choices: list[Any] = [
            *(_ODD[self._random.randrange(len(_ODD))] for _ in range(2)),
            '{"jsonrpc":',
            '{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": "\\ud800"}',
            "[" * 5000,
            _message(self._random.choice(_METHODS), self._random.choice(_ODD), number),
            _message("tools/call", {"name": self._random.choice(_ODD)}, self._random.choice(_ODD)),
            [_message("ping", {}, number), _message("ping", {}, number)],
        ]
        return self._random.choice(choices)

    def _arguments(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        properties = schema["properties"]
        names = self._random.sample(list(properties), self._random.randrange(len(properties) + 1))
        names = [*schema.get("required", ()), *names] if self._random.random() < 0.9 else names
        values = {name: self._value(properties[name]) for name in names}
        if self._random.random() < 0.1:
            values[self._random.choice(["steps", "__proto__", "", "a" * 300])] = 1
        return values

    def _value(self, schema: Mapping[str, Any]) -> Any:
        chance = self._random.random()
        if chance < 0.1:
            return self._random.choice(_ODD)
        if chance < 0.12:
            return "A" * _LARGE
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        kind = schema.get("type")
        if kind in ("integer", "number"):
            low, high = schema.get("minimum", 0), min(schema.get("maximum", 100), 512)
            value = self._random.randint(int(low), int(max(low, high)))
            return value - value % schema.get("multipleOf", 1)
        if kind == "array":
            return [self._value(schema.get("items", {})) for _ in range(self._random.randrange(3))]
        if kind == "boolean":
            return self._random.random() < 0.5
        return self._random.choice([*self._known, "an apple", "pocket", "Euler"])

    def _check(self, answer: httpx.Response, tool: str | None) -> None:
        assert answer.status_code < 500, (answer.status_code, answer.text)
        for message in self._results(answer) if answer.content else ():
            types.jsonrpc_message_adapter.validate_python(message)
            result = message.get("result", {})
            if tool is not None and "content" in result:
                self.outcomes["error" if result.get("isError") else "done"] += 1
                if not result.get("isError"):
                    schema = self._tools[tool]["outputSchema"]
                    Draft202012Validator(schema).validate(result["structuredContent"])
                    self._note(result["structuredContent"])
                else:
                    assert "internal error" not in result["content"][0]["text"], result
            else:
                self.outcomes[f"{answer.status_code} {tool or 'message'}"] += 1

    def _note(self, data: Mapping[str, Any]) -> None:
        self._known = [*self._known[:5], *(each["id"] for each in data.get("pictures", ())[:2])]

    @staticmethod
    def _results(answer: httpx.Response) -> list[Any]:
        if answer.headers["Content-Type"].startswith("text/event-stream"):
            lines = answer.text.splitlines()
            return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        return [answer.json()]


def _message(method: str, params: Any, message_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message_id, "method": method, "params": params}


def main() -> None:
    """Fuzz; ends with the first failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        live(Path(name), lambda _: ScriptedGenerator(), max_pixels=512 * 512) as running,
        running.client() as http,
    ):
        fuzzer = _Fuzzer(http, options.seed)
        fuzzer.run(options.messages)
        left = list((Path(name) / "state").glob("**/*.picture"))
        assert not left, left
        print(f"{options.messages} messages, no fault: {dict(fuzzer.outcomes)}")  # noqa: T201


if __name__ == "__main__":
    main()
