"""Importing torch in a thread without blocking the others."""

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
    """Wrap the import of torch and diffusers. Two things would block every thread of the process
    for 0.2 to 0.4 s each time (measured on two cores): Python holds its lock while the system loads
    torch's libraries, so they are loaded ahead, without the lock; and the garbage collector would
    run, so it is off."""
    with without_garbage_collection():
        load_libraries()
        yield


def load_libraries() -> list[str]:
    """Load torch's libraries as torch does, but without Python's lock, which ctypes releases when
    it calls a function. Return the names of those that could be loaded; torch itself tries the
    others again, and reports what is wrong with them."""
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
