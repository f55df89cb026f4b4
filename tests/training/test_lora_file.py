"""The file of a trained LoRA, as others read it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file

from sdtui.core.settings import Settings
from sdtui.engine.lora.formats import read_lora
from sdtui.engine.lora.layers import Layers
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models.hashing import tensors_hash
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.lora_file import kohya_metadata, kohya_tensors, write_lora
from sdtui.training.network import TrainedNetwork

_RANK, _ALPHA = 4, 2.0


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def trained(
    request: pytest.FixtureRequest,
    tiny_sd1: Path,
    tiny_sdxl: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path, dict[str, torch.Tensor]]:
    """The folder of a model, a LoRA for all of its layers, and the LoRA's weights."""
    tmp_path = tmp_path_factory.mktemp("trained")
    folder = tiny_sd1 if request.param == "sd1" else tiny_sdxl
    asked = TrainingRequest.parse(
        {
            **{"instance_data_dir": tmp_path, "output_name": "new", "rank": _RANK},
            **{"lora_alpha": _ALPHA, "targets": "conv", "train_text_encoder": True},
        }
    )
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        network = TrainedNetwork(engine.load(str(folder)).pipeline, asked)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for encoders in (False, True):
                for each in network.parameters(of_text_encoders=encoders):
                    each.copy_(torch.randn(each.shape, generator=generator) / 4)
        tensors = network.tensors()
    named = kohya_tensors(tensors, _ALPHA, torch.float16, several_encoders=request.param == "sdxl")
    path = tmp_path / "new.safetensors"
    write_lora(path, named, kohya_metadata({"ss_network_dim": _RANK, "modelspec.title": "new"}))
    return folder, path, tensors


def _change(tensors: dict[str, torch.Tensor], layer: str) -> torch.Tensor:
    """The change of a layer's weight as a matrix, from the file's values in float64."""
    down, up = (tensors[f"{layer}.{part}"].half().double() for part in ("down", "up"))
    return _ALPHA / _RANK * up.flatten(1) @ down.flatten(1)


def test_our_reader_finds_every_layer_with_the_same_change(
    trained: tuple[Path, Path, dict[str, torch.Tensor]],
) -> None:
    folder, path, tensors = trained
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        placed = Layers(engine.load(str(folder)).pipeline).place(read_lora(path))
    assert not placed.unmatched
    assert len(placed.deltas) == len(tensors) // 2
    for each in placed.deltas:
        original = torch.zeros(each.place.rows, each.place.columns)
        expected = _change(tensors, f"{each.place.component}.{each.place.path}")
        assert (each.delta.change(original).double() - expected).abs().max() < 1e-6


def test_diffusers_loads_every_layer_with_the_same_change(
    trained: tuple[Path, Path, dict[str, torch.Tensor]],
) -> None:
    folder, path, tensors = trained
    before = DiffusionPipeline.from_pretrained(folder, dtype=torch.float64)
    after = DiffusionPipeline.from_pretrained(folder, dtype=torch.float64)
    after.load_lora_weights(path)
    after.fuse_lora(components=["unet", *(n for n in after.components if "text_encoder" in n)])
    after.unload_lora_weights()
    for layer in {name.rpartition(".")[0] for name in tensors}:
        component, _, place = layer.partition(".")
        old, new = (
            getattr(each, component).get_submodule(place).weight for each in (before, after)
        )
        expected = _change(tensors, layer)
        assert ((new - old).flatten(1) - expected).abs().max() < 1e-6, layer


def test_metadata_have_the_hashes_of_the_tensors(
    trained: tuple[Path, Path, dict[str, torch.Tensor]],
) -> None:
    _, path, _ = trained
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["sshs_model_hash"] == tensors_hash(path)
    assert metadata["modelspec.hash_sha256"] == f"0x{tensors_hash(path)}"
    assert len(metadata["sshs_legacy_hash"]) == 8
    assert metadata["ss_network_dim"] == "4"
    assert {each.dtype for each in load_file(path).values()} == {torch.float16}
    assert hashlib.sha256(path.read_bytes()).hexdigest() != metadata["sshs_model_hash"]
