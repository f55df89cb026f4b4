"""Init images on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sdtui.cli.commands import sdtui
from sdtui.core.errors import ImageError


@pytest.mark.parametrize(
    ("name", "error"),
    [("a.png", "no picture of a known format"), ("none.png", "isn't there")],
)
def test_bad_init_image_is_refused_before_anything_is_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: str
) -> None:
    (tmp_path / "a.png").write_text("a text")
    monkeypatch.setattr("sdtui.cli.backend.open_backend", None)
    for text in (str(tmp_path / name), f"file://{tmp_path}/{name}"):
        result = CliRunner().invoke(sdtui, ["generate", "x", "--init-image", text])
        assert isinstance(result.exception, ImageError)
        assert error in str(result.exception)


def test_path_of_windows_is_explained() -> None:
    result = CliRunner().invoke(sdtui, ["generate", "x", "--init-image", r"C:\a b.png"])
    assert result.exit_code == 2
    assert "write /mnt/c/a b.png" in result.output
