"""ControlNets on disk: found, recognised by their headers, and refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdtui.core.errors import (
    ModelError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.settings import Settings
from sdtui.models import CONTROLNETS
from sdtui.models.controlnets import open_controlnet
from sdtui.models.describe import describe_model
from sdtui.models.files_by_kind import FoundFile
from sdtui.pocket import MODEL_FOLDER

_DIFFUSERS = {
    "conv_in.weight": (320, 4, 3, 3),
    "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
}
_ORIGINAL = {
    "control_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
    "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
}


def _save(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}, path
    )
    return path


def _open(path: Path) -> object:
    return open_controlnet(FoundFile(path.stem, path))


def test_both_layouts_are_recognised(tmp_path: Path) -> None:
    first = open_controlnet(FoundFile("a", _save(tmp_path / "a.safetensors", _DIFFUSERS)))
    assert (first.family, first.channels, first.latent_channels) == ("sd1", 320, 4)
    second = open_controlnet(FoundFile("b", _save(tmp_path / "b.safetensors", _ORIGINAL)))
    assert (second.family, second.is_union) == ("sd2", False)


def test_sdxl_and_unions_are_recognised(tmp_path: Path) -> None:
    shapes = {name: shape for name, shape in _DIFFUSERS.items() if "attn2" not in name}
    shapes |= {"add_embedding.linear_1.weight": (1280, 2816), "task_embedding": (8, 320)}
    net = open_controlnet(FoundFile("xl", _save(tmp_path / "xl.safetensors", shapes)))
    assert (net.family, net.is_union, net.types) == ("sdxl", True, 8)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("lora_controlnet", "a control-LoRA"),
        ("lllite_unet_input_blocks_4_1.down.0.weight", "a ControlNet-LLLite"),
        ("adapter.body.0.resnets.0.block1.weight", "a T2I-Adapter"),
        ("ip_adapter.1.to_k_ip.weight", "an IP-Adapter"),
        ("controlnet_blocks.0.weight", "a ControlNet of another family"),
        ("model.diffusion_model.x", "no ControlNet, but something else"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match=problem):
        _open(_save(tmp_path / "x.safetensors", {name: (1,)}))


def test_pickles_are_refused_and_listed(tmp_path: Path) -> None:
    (tmp_path / "old.pth").touch()
    with pytest.raises(UnsafeModelError):
        _open(tmp_path / "old.pth")
    listed, _bundled = CONTROLNETS.installed(Settings(controlnet_folders=(tmp_path,)))
    assert listed.opened is None
    assert "pickle" in listed.problem


def test_folders_of_diffusers_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "nets" / "canny v1.1"
    _save(folder / "diffusion_pytorch_model.safetensors", _DIFFUSERS)
    (folder / "config.json").write_text(json.dumps({"_class_name": "ControlNetModel"}))
    settings = Settings(controlnet_folders=(tmp_path / "nets",))
    listed, _bundled = CONTROLNETS.installed(settings)
    assert (listed.name, listed.problem) == ("canny v1.1", "")
    assert CONTROLNETS.find("canny v1.1", settings).path == folder
    assert CONTROLNETS.find(str(folder), settings).family == "sd1"


@pytest.mark.parametrize(
    ("config", "weights", "error"),
    [
        ({"_class_name": "FluxControlNetModel"}, "", UnsupportedModelError),
        ({"_class_name": "ControlNetModel"}, "diffusion_pytorch_model.bin", UnsafeModelError),
        ({"_class_name": "ControlNetModel"}, "", ModelNotFoundError),
    ],
)
def test_unusable_folders_are_refused(
    tmp_path: Path, config: dict[str, str], weights: str, error: type[ModelError]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    if weights:
        (tmp_path / weights).touch()
    with pytest.raises(error):
        open_controlnet(FoundFile("x", tmp_path))


def test_net_is_found_by_name_part_and_a1111s_hash(tmp_path: Path) -> None:
    root = tmp_path / "models"
    for name in ("control_v11p_sd15_canny", "control_v11f1p_sd15_depth"):
        _save(root / "ControlNet" / f"{name}.safetensors", _DIFFUSERS)
    settings = Settings(model_folders=(root,))
    assert CONTROLNETS.find("canny", settings).name == "control_v11p_sd15_canny"
    title = CONTROLNETS.find("canny", settings).a1111_name()
    assert title.startswith("control_v11p_sd15_canny [")
    assert CONTROLNETS.find(title, settings, allow_files=False).name == "control_v11p_sd15_canny"
    with pytest.raises(ModelNotFoundError, match="several ControlNets"):
        CONTROLNETS.find("sd15", settings)
    with pytest.raises(ModelNotFoundError, match="Did you mean"):
        CONTROLNETS.find("control_v11p_sd15_cannx", settings)


def test_only_names_are_names_for_clients(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.safetensors", _DIFFUSERS)
    assert CONTROLNETS.find(str(path), Settings()).path == path
    with pytest.raises(ModelNotFoundError):
        CONTROLNETS.find(str(path), Settings(), allow_files=False)


def test_that_of_the_pocket_model_is_there() -> None:
    (bundled,) = CONTROLNETS.installed(Settings())
    assert bundled.name == "pocket-edges"
    assert not bundled.problem
    net = CONTROLNETS.find("pocket-edges", Settings())
    net.check_fits(describe_model(MODEL_FOLDER))
