"""The parts of a remote backend whose methods are calls of its server."""

from __future__ import annotations

import json
import queue
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Any

from sdtui.core.errors import ConnectionLostError, SdtuiError
from sdtui.jobs.backends.remote.http import Answer, Requests
from sdtui.jobs.wire import (
    CALL_HEADER,
    CALLS,
    CLIENT_HEADER,
    Call,
    WireError,
    error_from_wire,
    is_property,
    members,
    read_property,
)
from sdtui.jobs.wire.batch import read_batch, write_batch
from sdtui.jobs.wire.messages import State

_PATIENCE_SECONDS = 30.0
_LONG_SECONDS = 600.0
_LONG = {"refresh", "reindex", "save_again", "empty_trash", "resolve", "check_files"}
"""Calls that may take so long."""


class Caller:
    """Carries out calls, on any thread. The client has an id, by which the server knows whose
    change it was."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.client = secrets.token_hex(6)
        self._state = State(values={})

    def call(
        self, call: Call, arguments: dict[str, Any], *, patience: float = _PATIENCE_SECONDS
    ) -> Any:
        """Return what the backend's method returns; `patience` is how many seconds a cut line is
        waited for. Raises what the method raises, and ConnectionLostError."""
        headers = {
            CALL_HEADER: secrets.token_hex(8),
            CLIENT_HEADER: self.client,
            "Content-Type": "application/json",
        }
        answer = self.requests.send(
            "POST",
            f"/attach/calls/{call.part}/{call.name}",
            call.write_arguments(arguments),
            headers,
            patience=_LONG_SECONDS if call.name in _LONG else patience,
        )
        self.check(answer)
        return call.read_result(answer.data)

    def call_all(self, calls: Iterable[tuple[Call, dict[str, Any]]]) -> list[Any]:
        """Return the results of calls that change nothing, carried out by one request; an error in
        place of a result. Raises ConnectionLostError."""
        asked = list(calls)
        body = write_batch(asked)
        headers = {"Content-Type": "application/json"}
        answer = self.requests.send("POST", "/attach/batch", body, headers)
        self.check(answer)
        return read_batch(asked, answer.data)

    def check(self, answer: Answer) -> None:
        """Raise the error that an answer has, if it isn't the result."""
        if answer.status < 300:
            return
        try:
            sent = WireError.model_validate_json(answer.data)
        except ValueError as error:
            name = self.requests.where.name
            raise ConnectionLostError(
                f"{name} refuses: {_message_of(answer)}", f"The log on {name} says more"
            ) from error
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:  # the arguments aren't its own
            name = self.requests.where.name
            raise SdtuiError(
                f"{name} doesn't understand {sent.what}", f"Update sdtui here or on {name}"
            )
        raise error_from_wire(sent)

    def set_state(self, state: State) -> None:
        """Replace the properties that `state` returns."""
        self._state = state

    def state_now(self, part: str, name: str, default: Any) -> Any:
        """Return a property as it was streamed, or `default` before that."""
        return self._state.values.get(part, {}).get(name, default)

    def state(self, part: str, name: str) -> Any:
        """Return a property as it was streamed, or else ask for all. Raises
        ConnectionLostError."""
        if name not in self._state.values.get(part, {}):
            answer = self.requests.send("GET", "/attach/state")
            self._state = State.model_validate_json(answer.data)
        return read_property(part, name, self._state.values[part][name])


def _message_of(answer: Answer) -> str:
    """Return what an error of the server's other APIs says, as of a body that is too large."""
    try:
        return str(json.loads(answer.data)["error"]["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"


class RemotePart:
    """A part of a backend, whose methods and properties are those of its protocol."""

    def __init__(self, part: str, caller: Caller) -> None:
        self._part = part
        self._caller = caller

    def __getattr__(self, name: str) -> Any:
        call = CALLS.get((self._part, name))
        if call is not None:
            return partial(self._call, call)
        if name in members(self._part) and is_property(self._part, name):
            return self._caller.state(self._part, name)
        raise AttributeError(name)

    def _call(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        return self._caller.call(call, call.bind(*args, **kwargs))


class Hand:
    """A thread that carries out work in its order."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._has_started = False

    def do(self, work: Callable[[], Any]) -> Future[Any]:
        """Carry out `work` after what was given before; return its future result."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  it is raised where the result is read
                future.set_exception(error)

        with self._lock:
            if not self._has_started:
                self._has_started = True
                threading.Thread(target=self._run, name="sdtui-remote", daemon=True).start()
        self._work.put(run)
        return future

    def _run(self) -> None:
        while True:
            self._work.get()()
