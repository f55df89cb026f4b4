"""ControlNets of every layout give the same tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from sdtui.core.errors import ModelDamagedError
from sdtui.core.settings import Settings
from sdtui.engine.control.loading import load_net
from sdtui.models import CONTROLNETS
from tests.support.original_layout import controlnet_tensors
from tests.support.tiny_controlnets import make_controlnet, make_union, save_as_file


def _unet(model: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(model / "unet", local_files_only=True)


def _assert_same(path: Path, net: Any, model: Path) -> None:
    loaded = load_net(CONTROLNETS.find(str(path), Settings()), _unet(model), torch.float32)
    wanted = net.state_dict()
    assert loaded.state_dict().keys() == wanted.keys()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


@pytest.mark.parametrize("model", ["tiny_sd1", "tiny_sdxl"])
def test_original_layout_is_that_of_diffusers(
    model: str, request: pytest.FixtureRequest, tmp_path: Path, no_network: None
) -> None:
    folder: Path = request.getfixturevalue(model)
    net = make_controlnet(folder)
    save_file(controlnet_tensors(net), tmp_path / "net.safetensors")
    _assert_same(tmp_path / "net.safetensors", net, folder)


def test_folder_and_file_of_diffusers_are_loaded(
    tiny_sd1: Path, tmp_path: Path, no_network: None
) -> None:
    net = make_controlnet(tiny_sd1)
    net.save_pretrained(tmp_path / "folder")
    _assert_same(tmp_path / "folder", net, tiny_sd1)
    _assert_same(save_as_file(net, tmp_path / "file.safetensors"), net, tiny_sd1)


def test_union_in_one_file_is_loaded(tiny_sdxl: Path, tmp_path: Path) -> None:
    net = make_union(tiny_sdxl)
    _assert_same(save_as_file(net, tmp_path / "union.safetensors"), net, tiny_sdxl)


def test_net_of_other_shapes_is_refused(tiny_sd1: Path, tmp_path: Path) -> None:
    tensors = dict(make_controlnet(tiny_sd1).state_dict())
    tensors["controlnet_mid_block.weight"] = torch.zeros(3, 3, 1, 1)
    save_file(tensors, tmp_path / "net.safetensors")
    with pytest.raises(ModelDamagedError, match=r"controlnet_mid_block\.weight is 3×3×1×1"):
        load_net(
            CONTROLNETS.find(str(tmp_path / "net.safetensors"), Settings()),
            _unet(tiny_sd1),
            torch.float32,
        )
