"""`sdtui models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdtui.cli.models import models
from tests.support.embeddings import make_embedding
from tests.support.model_files import safetensors


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


def test_loras_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDTUI_LORA_FOLDERS", str(tmp_path))
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    shapes = {f"{name}.lora_down.weight": (8, 768), f"{name}.lora_up.weight": (320, 8)}
    safetensors(tmp_path / "film.safetensors", shapes, {"modelspec.trigger_phrase": "grainy film"})
    (tmp_path / "old.pt").write_bytes(b"\x80")
    done = CliRunner().invoke(models, ["--kind", "lora"])
    assert done.exit_code == 0
    film, old = done.stdout.splitlines()
    assert film.split()[:5] == ["film", "SD", "1.x", "LoRA", "rank"]
    assert film.endswith("grainy film")
    assert "pickle file" in old
    listed = json.loads(CliRunner().invoke(models, ["--kind", "lora", "--json"]).stdout)
    assert listed[0]["trigger_words"] == ["grainy film"]
    assert (len(listed[0]["autov2"]), len(listed[0]["autov3"])) == (10, 12)


def test_models_are_listed_with_family_parameters_format_and_memory() -> None:
    (pocket,) = json.loads(CliRunner().invoke(models, ["--json"]).stdout)
    assert (pocket["family_name"], pocket["weight_format"]) == ("pocket", "fp16")
    assert pocket["denoiser_parameters"] < pocket["parameters"]
    assert pocket["memory"]["model_offload"] < pocket["memory"]["full"]
