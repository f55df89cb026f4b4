"""Importing torch in a thread without holding up the others."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def without_blocking_the_event_loop() -> Iterator[None]:
    """While torch and diffusers are imported. Two things would hold up every thread of the process,
    for 0.2 to 0.4 s each time (measured on two cores). Python keeps its lock while the system loads
    torch's libraries; so they are loaded ahead, without the lock. And the garbage collector goes
    through all objects again and again, though those that come now are here to stay; so it waits
    until they are, and never looks at them."""
    collects = gc.isenabled()
    gc.disable()
    try:
        load_libraries()
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def load_libraries() -> list[str]:
    """Load torch's libraries as torch does, but without Python's lock, which ctypes lets go when it
    calls a function. Returns the names of those that could be loaded; torch itself tries again, and
    tells what is wrong, with the others."""
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
