"""Shared by the tests of trainings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.training_pictures import AddPicture


@pytest.fixture
def add_picture(tmp_path: Path) -> AddPicture:
    """Return what writes pictures below a folder "data"."""
    return AddPicture(tmp_path / "data")
