"""One error for memory that ran out, whichever library noticed it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdtui.core.errors import OutOfMemoryError
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory

_HINT = "Close what else uses the memory, or take a smaller model, --resolution or --rank"


@contextmanager
def memory_errors(what: str, stage: str = "load") -> Iterator[None]:
    """Raise OutOfMemoryError in place of the libraries' errors. `what` was being done."""
    failure = ""
    try:
        yield
    except OOM_CANDIDATES as error:
        if not is_out_of_memory(error):
            raise
        failure = str(error) or type(error).__name__
    if failure:
        raise OutOfMemoryError(f"memory ran out while {what}: {failure}", _HINT, stage=stage)
