"""What changes the whole process: the garbage collector, how threads take turns, environment
variables that libraries read, and leaving. Each for the reason that its function gives."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from sdtui.core import paths

_TURN_SECONDS = 0.0005
_DRAWINGS_PER_SECOND = "240"


def pause_garbage_collection() -> None:
    """Turn the garbage collector off during start-up: nothing that is made then is garbage."""
    gc.disable()


def resume_garbage_collection() -> None:
    """Turn the garbage collector on after start-up, if it is off. It never looks at the objects
    that exist by now."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Turn the garbage collector off while objects are made that stay, and never let it look at
    them. It would go through all of them again and again, which holds up every thread."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def shorten_thread_turns() -> None:
    """Let a thread hold the interpreter for at most 0.5 ms (Python's default: 5 ms) while another
    waits for it: keys, health checks and metrics shouldn't wait for the worker."""
    sys.setswitchinterval(_TURN_SECONDS)


def skip_pydantic_plugins() -> None:
    """Keep pydantic from looking for plugins, which reads the metadata of every installed package.

    Must be called before pydantic is imported."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def draw_often() -> None:
    """Let Textual draw up to 240 times a second. It draws only what has changed, so more often is
    not more; but what changes right after something was drawn waits for up to two such turns, and
    that may be the effect of a key.

    Must be called before Textual is imported."""
    os.environ.setdefault("TEXTUAL_FPS", _DRAWINGS_PER_SECOND)


def assume_true_colour() -> None:
    """Let Textual use 24-bit colours. Must be called before Textual is imported."""
    os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "truecolor")


def keep_compiled_code() -> None:
    """Let torch.compile keep its results in the cache folder, where they outlive a reboot; torch's
    own choice is a temporary folder.

    Must be called before torch is imported. A TORCHINDUCTOR_CACHE_DIR that is set stays, and so
    does torch's own choice where the cache folder can't be written."""
    with suppress(OSError):
        folder = paths.cache_folder() / "compiled"
        folder.mkdir(exist_ok=True)
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def run_in_fork(work: Callable[[], object]) -> None:
    """Run `work` in a forked process, which then ends without this process's exit handlers. Must
    be called while the process has only one thread."""
    if os.fork() == 0:
        try:
            work()
        finally:
            os._exit(0)


def leave(code: int) -> NoReturn:
    """End the process at once. For a worker that is inside a long step, and because it takes torch
    a second to be unloaded. Every file must be whole by now."""
    logging.shutdown()
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError):  # nobody reads it any more, or it is closed
            if stream is not None:
                stream.flush()
    os._exit(code)
