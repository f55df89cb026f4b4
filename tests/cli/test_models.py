"""`sdtui models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdtui.cli.models import models
from tests.support.embeddings import make_embedding


def test_embeddings_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_embedding(tmp_path / "easy.safetensors", 768, vectors=3)
    (tmp_path / "old.pt").write_bytes(b"\x80")
    monkeypatch.setenv("SDTUI_EMBEDDING_FOLDERS", str(tmp_path))
    done = CliRunner().invoke(models, ["--kind", "embedding"])
    first, second = done.stdout.splitlines()
    assert first.split() == ["easy", "3", "vectors,", "768", "wide"]
    assert "pickle" in second
    listed = json.loads(CliRunner().invoke(models, ["--kind", "embedding", "--json"]).stdout)
    assert listed[0]["vectors"] == 3
    assert "pocket" in CliRunner().invoke(models, []).stdout
