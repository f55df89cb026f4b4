"""Where torch keeps what it compiles."""

from __future__ import annotations

import os

from sdtui.core import paths


def keep_compiled_code() -> None:
    """Have it kept in our cache folder, so that the next start need not compile again: torch's own
    choice is a temporary folder. Only before torch is imported; a choice of the user's stays, and
    where our folder can't be written, so does torch's."""
    try:
        folder = paths.cache_folder() / "compiled"
        folder.mkdir(exist_ok=True)
    except OSError:
        return
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
