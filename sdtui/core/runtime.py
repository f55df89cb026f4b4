"""Process-wide settings: the garbage collector, the thread switch interval, environment variables
of libraries, and exit. Each function gives its reason."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from sdtui.core import paths

_TURN_SECONDS = 0.0005
_YOUNG_OBJECTS = 10_000
"""New objects after which garbage is collected; Python's default is 700. A preview makes thousands,
so that a key often waited for a collection, and longer if that was on a thread that other programs
kept from running."""
_DRAWINGS_PER_SECOND = "240"
_ARENA_MAX = -8
"""M_ARENA_MAX in glibc's malloc.h."""


def pause_garbage_collection() -> None:
    """Disable the garbage collector during start-up: objects created then are not garbage."""
    gc.disable()


def resume_garbage_collection() -> None:
    """Enable the garbage collector after start-up, if it is disabled, let it run rarely, and exempt
    all existing objects."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
        gc.enable()


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable the garbage collector while long-lived objects are created, and exempt them. It would
    scan them repeatedly, which blocks every thread."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def shorten_thread_turns() -> None:
    """Limit how long a thread holds the interpreter while another waits to 0.5 ms (Python's
    default: 5 ms): keys, health checks and metrics shouldn't wait for the worker."""
    sys.setswitchinterval(_TURN_SECONDS)


def share_one_arena() -> None:
    """Let all threads allocate from one arena of glibc: each of theirs would keep what was freed in
    it. For a process whose threads mostly wait, before they start; does nothing without glibc."""
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(_ARENA_MAX, 1)


def return_free_memory() -> None:
    """Give freed memory back to the system; does nothing without glibc, which keeps blocks of up to
    32 MiB once one of that size was freed."""
    import ctypes  # here, since not every command needs it

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def skip_pydantic_plugins() -> None:
    """Keep pydantic from looking for plugins, which reads the metadata of every installed package.

    Must be called before pydantic is imported."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def draw_often() -> None:
    """Raise Textual's frame rate limit to 240 per second. It draws only changes, so this costs
    nothing; but a change right after a frame waits for up to two frames, and it may be the effect
    of a key.

    Must be called before Textual is imported.
    """
    os.environ.setdefault("TEXTUAL_FPS", _DRAWINGS_PER_SECOND)


def skip_empty_no_color() -> None:
    """Remove NO_COLOR if it is empty, as that means nothing (no-color.org); Textual obeys it. Must
    be called before its app is constructed."""
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)


def use_colour_system(system: str) -> None:
    """Let Textual use Rich's colour system of this name ("truecolor", "256", "standard"). Must be
    called before Textual is imported, or, for "truecolor", before its app is constructed."""
    os.environ["TEXTUAL_COLOR_SYSTEM"] = system
    if system == "truecolor":
        os.environ["COLORTERM"] = system


def keep_compiled_code() -> None:
    """Let torch.compile store its results in the cache folder, where they survive a reboot; torch's
    default is a temporary folder.

    Must be called before torch is imported. An existing TORCHINDUCTOR_CACHE_DIR is respected, and
    torch's default is used if the cache folder isn't writable.
    """
    with suppress(OSError):
        folder = paths.cache_folder() / "compiled"
        folder.mkdir(exist_ok=True)
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def run_in_fork(work: Callable[[], object]) -> None:
    """Run `work` in a forked process, which ends without this process's exit handlers. Must be
    called while the process has only one thread."""
    if os.fork() == 0:
        try:
            work()
        finally:
            os._exit(0)


def run_detached(work: Callable[[int], object], folder: Path, log: Path) -> bytes:
    """Run `work` in a process that outlives this one and its terminal, with `folder` as working
    directory, and stdout and stderr going to the file `log`.

    Returns what `work` writes to the file descriptor that it is called with, once it has closed it
    or its process has ended. Must be called while the process has only one thread.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:  # which can't get a terminal, as it doesn't lead the session
                os.close(reading)
                os.chdir(folder)
                redirect_streams(log)
                work(writing)
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


def redirect_streams(log: Path) -> None:
    """Let this process read nothing, and write stdout and stderr to the end of a file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


def ignore_hangup() -> None:
    """Let the process go on when its terminal is closed."""
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def end_unless_called_again(seconds: float) -> None:
    """End the process with code 1 and every thread's traceback on stderr, unless this is called
    again within so many seconds, even while one thread keeps all others from running Python."""
    if sys.stderr is not None:
        faulthandler.dump_traceback_later(seconds, exit=True)


def end_no_more() -> None:
    """Take back what `end_unless_called_again` said."""
    faulthandler.cancel_dump_traceback_later()


def leave(code: int) -> NoReturn:
    """Exit at once, because a worker may be inside a long step and torch takes a second to unload.
    All files must be complete."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError):  # nobody reads it any more, or it is closed
            if stream is not None:
                stream.flush()
    os._exit(code)
