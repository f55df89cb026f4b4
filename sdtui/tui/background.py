"""Long-running work on threads that don't delay quitting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump
from textual.worker import Worker, WorkerCancelled

from sdtui.core.errors import ConnectionLostError

_Result = TypeVar("_Result")

_PATIENCE_SECONDS = 0.3


def run_in_background(target: MessagePump, work: Callable[[], Message]) -> None:
    """Run `work` on a thread of its own and post the message that it returns to `target`.

    The thread ends with the process. Textual's thread workers would have to be waited for
    (textual#3966).
    """

    def run() -> None:
        target.post_message(work())

    threading.Thread(target=run, name="sdtui-background", daemon=True).start()


async def run_on_thread(work: Callable[[], _Result]) -> _Result:
    """Return what `work` returns on a thread of its own, for what may wait for a slow disk or
    network. Unlike that of `asyncio.to_thread`, the thread ends with the process."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_Result] = loop.create_future()

    def give(value: _Result) -> None:
        if not result.done():  # or who waited for it was cancelled
            result.set_result(value)

    def fail(error: BaseException) -> None:
        if not result.done():
            result.set_exception(error)

    def run() -> None:
        try:
            outcome = partial(give, work())
        except BaseException as error:  # noqa: BLE001  it is raised where the result is awaited
            outcome = partial(fail, error)
        with suppress(RuntimeError):  # the app has ended
            loop.call_soon_threadsafe(outcome)

    threading.Thread(target=run, name="sdtui-check", daemon=True).start()
    return await result


def start_worker(
    owner: DOMNode,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    group: str = "default",
    exclusive: bool = False,
) -> Worker[None]:
    """Run `work` as a worker of `owner`. If the app ends first, it isn't called; a coroutine would
    then be reported as never awaited. If the line to the backend is cut, a message says so."""

    async def run() -> None:
        try:
            await work()
        except ConnectionLostError as error:
            owner.app.notify(str(error), severity="warning")

    worker: Worker[None] = owner.run_worker(run, group=group, exclusive=exclusive)
    return worker


async def wait_briefly(worker: Worker[Any], seconds: float = _PATIENCE_SECONDS) -> None:
    """Wait for a worker, so that keys that were pressed meanwhile find what it opened or closed;
    but not long, since it may wait for a slow disk."""
    with suppress(TimeoutError, WorkerCancelled):
        await asyncio.wait_for(asyncio.shield(worker.wait()), seconds)
