"""Threads for what attached clients ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

_THREADS = 16
_MOST_OF_ONE = 8
_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class AttachThreads:
    """Slow calls hold up nothing but other calls, and those of one caller not those of all others.
    Used on the event loop."""

    def __init__(self, threads: int = _THREADS, most_of_one: int = _MOST_OF_ONE) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="sdtui-attached")
        self._most_of_one = most_of_one
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By caller, as long as one of its calls runs or waits."""

    async def run(
        self,
        caller: str,
        function: Callable[_Args, _Result],
        *args: _Args.args,
        **kwargs: _Args.kwargs,
    ) -> _Result:
        """Return what a function returns on a thread, when it is the caller's turn."""
        turn = self._turns.get(caller)
        if turn is None:
            turn = self._turns[caller] = asyncio.Semaphore(self._most_of_one)
        async with turn:
            loop = asyncio.get_running_loop()
            context = copy_context()
            return await loop.run_in_executor(
                self._executor, lambda: context.run(function, *args, **kwargs)
            )
