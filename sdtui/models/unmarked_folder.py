"""Model folders whose JSON has byte order marks, which diffusers and transformers can't read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtui.core.errors import ModelDamagedError
from sdtui.core.text_files import SAVE_AS_UTF8, UnreadableTextError, decode_text, has_mark

_TEXTS = (".json", ".txt")


@contextmanager
def unmarked(folder: Path) -> Iterator[Path]:
    """Return the folder itself, or if texts in it have marks, a temporary one with links to its
    files and copies of those texts without marks. Raises OSError or
    ModelDamagedError."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    marked = [file for file in files if file.suffix in _TEXTS and has_mark(file)]
    if not marked:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sdtui-") as name:
        for file in files:
            copy = Path(name) / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if file in marked:
                copy.write_text(_text_of(file), encoding="utf-8")
            else:
                copy.symlink_to(file.resolve())
        yield Path(name)


def _text_of(file: Path) -> str:
    try:
        return decode_text(file.read_bytes())
    except UnreadableTextError as error:
        raise ModelDamagedError(f"{file} can't be used: {error}", SAVE_AS_UTF8) from error
