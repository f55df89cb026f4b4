"""An empty history for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.history import History


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """An empty history; its pictures are in `tmp_path / "pictures"`."""
    with History(tmp_path / "pictures", tmp_path / "state" / "index.db") as opened:
        yield opened
