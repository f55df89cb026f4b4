"""`sdtui fetch`, against a hub on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.hub_server import Hub, running, use_instead_of_hub

INDEX = {
    "_class_name": "FluxPipeline",
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
FILES = {
    "model_index.json": json.dumps(INDEX).encode(),
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors": b"1" * 1000,
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.safetensors": b"2" * 1000,
}


def test_model_is_fetched_without_its_transformer(
    sdtui: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Hub(dict(FILES))) as hub:
        use_instead_of_hub(hub, monkeypatch)
        small = sdtui("fetch", "some/model", "--without-weights", "-q")
        assert not list(Path(small.stdout.strip()).rglob("*.safetensors"))
        done = sdtui("fetch", "some/model", "--without-transformer", "-q")
        assert done.returncode == 0
        folder = Path(done.stdout.strip())
        found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        assert found == set(FILES) - {"transformer/diffusion_pytorch_model.safetensors"}
        missing = sdtui("fetch", "no/model")
    assert missing.returncode == 1
    assert "no/model" in missing.stderr
