"""Importing torch in a thread without blocking other threads."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtui.core.runtime import without_garbage_collection


@contextmanager
def without_blocking_the_event_loop() -> Iterator[None]:
    """Wrap the import of torch and diffusers. Two things would block all threads of the process for
    0.2 to 0.4 s at a time (measured on two cores): Python holds the GIL while the system loads
    torch's libraries, so they are loaded first, without the GIL; and the garbage collector runs, so
    it is disabled."""
    with without_garbage_collection():
        load_libraries()
        yield


def load_libraries() -> list[str]:
    """Load torch's libraries as torch does, but without the GIL, which ctypes releases during a
    call. Return the names of those that were loaded; torch itself tries the others again and
    reports errors."""
    spec = importlib.util.find_spec("torch") if sys.platform == "linux" else None
    if spec is None or spec.origin is None or "torch" in sys.modules:
        return []
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    folder = Path(spec.origin).parent / "lib"
    flags = {"libtorch_global_deps.so": os.RTLD_GLOBAL, "libtorch.so": os.RTLD_LOCAL}
    return [
        name for name, flag in flags.items() if dlopen(bytes(folder / name), os.RTLD_NOW | flag)
    ]
