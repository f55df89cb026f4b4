"""Text encoders, VAEs and U-Nets from files of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, Quantize
from sdtui.core.settings import Settings
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.quantized.layers import QuantizedLayer, is_quantized
from sdtui.engine.quantized.part_file import load_part
from sdtui.engine.quantized.transformer_file import load_transformer
from sdtui.engine.stages.load import load_pipeline
from sdtui.engine.vae_choice import use_vae
from sdtui.models import describe_model
from sdtui.models.part_files import read_part_file
from sdtui.models.vaes import open_vae
from tests.support.original_layout import unet_tensors, vae_tensors
from tests.support.part_files import (
    encoded,
    encoder_tensors,
    make_encoder,
    write_llama_cpp,
)
from tests.support.tiny_other_families import make_flux
from tests.support.transformer_files import tensors_of, write_gguf


def load(model: Any, path: Path) -> Any:
    """A text encoder with the weights in a file."""
    model.config.save_pretrained(path.parent / "config")
    module, missing = load_part(
        type(model), "transformers", path, path.parent / "config", torch.float32
    )
    assert not missing
    return module.eval()


def error_of(module: Any, model: Any) -> float:
    exact = encoded(model)
    return float((encoded(module) - exact).norm() / exact.norm())


@pytest.mark.parametrize("kind", ["t5encoder", "qwen3", "gemma2", "llama"])
def test_gguf_text_encoder_has_the_error_of_its_format(tmp_path: Path, kind: str) -> None:
    model = make_encoder(kind)
    path = write_llama_cpp(tmp_path / "m.gguf", model, kind)
    part = read_part_file(path)
    assert part is not None
    assert part.fits(json.loads(model.config.to_json_string(use_diff=False)))
    module = load(model, path)
    assert is_quantized(module)
    assert 0.001 < error_of(module, model) < 0.02


def test_text_encoder_in_fp8_stays_in_fp8(tmp_path: Path) -> None:
    model = make_encoder("qwen3")
    tensors: dict[str, torch.Tensor] = {"scaled_fp8": torch.empty(2, dtype=torch.float8_e4m3fn)}
    for name, tensor in encoder_tensors(model).items():
        if "_proj" in name:
            scale = tensor.abs().amax() / 448
            tensors[name] = (tensor / scale).to(torch.float8_e4m3fn)
            tensors[name.replace(".weight", ".scale_weight")] = scale
        else:
            tensors[name] = tensor
    save_file(tensors, tmp_path / "m.safetensors")
    module = load(model, tmp_path / "m.safetensors")
    assert isinstance(module.model.layers[0].mlp.up_proj, QuantizedLayer)
    assert error_of(module, model) < 0.1


def test_transformer_file_and_single_files_are_the_whole_model(tmp_path: Path) -> None:
    base = make_flux(tmp_path / "flux")
    expected = load_pipeline(describe_model(base), DType.FLOAT32, lambda *_: None, Cancellation())[
        0
    ]
    places = tmp_path / "ComfyUI" / "models"
    for name in ("text_encoders", "vae", "unet"):
        (places / name).mkdir(parents=True)
    t5 = load_file(base / "text_encoder_2" / "model.safetensors")
    save_file(t5, places / "text_encoders" / "t5xxl.safetensors")
    clip = load_file(base / "text_encoder" / "model.safetensors")
    save_file(clip, places / "text_encoders" / "clip_l.safetensors")
    vae = {name: each.contiguous() for name, each in vae_tensors(expected.vae).items()}
    save_file(vae, places / "vae" / "ae.safetensors")
    save_file(tensors_of(base), places / "unet" / "flux.safetensors")
    for file in base.rglob("*.safetensors"):
        file.unlink()
    description = describe_model(
        places / "unet" / "flux.safetensors",
        Settings(base_models=(base,), model_folders=(places,)),
    )
    assert set(description.part_files) == {"text_encoder", "text_encoder_2", "vae"}
    assert description.completed_by == base.name
    found = load_pipeline(description, DType.FLOAT32, lambda *_: None, Cancellation())[0]
    for name, part in expected.components.items():
        if isinstance(part, torch.nn.Module):
            weights = getattr(found, name).state_dict()
            for key, tensor in part.state_dict().items():
                assert torch.equal(weights[key], tensor), f"{name}.{key}"


def test_vae_of_another_family_is_changed_and_changed_back(tmp_path: Path) -> None:
    base = make_flux(tmp_path / "flux")
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        model = engine.load(str(base), DType.FLOAT32)
        before = {key: each.clone() for key, each in model.vae.state_dict().items()}
        changed = {key: each + 1 for key, each in vae_tensors(model.vae).items()}
        save_file(
            {key: each.contiguous() for key, each in changed.items()}, tmp_path / "v.safetensors"
        )
        vae = open_vae("v", tmp_path / "v.safetensors")
        assert model.description.takes_vaes
        vae.check_fits(model.description)
        for path, added in ((vae.path, 1), (None, 0)):
            use_vae(model, path)
            for key, each in model.vae.state_dict().items():
                assert torch.equal(each, before[key] + added)


def test_gguf_unet_keeps_its_convolutions_packed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet: Any = UNet2DConditionModel(
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    unet.eval()
    unet.save_pretrained(tmp_path / "unet")
    path = write_gguf(tmp_path / "unet.gguf", unet_tensors(unet), "Q8_0", convolutions=True)
    module: Any
    module, missing = load_transformer(
        type(unet), path, tmp_path / "unet", torch.float32, Quantize.NONE
    )
    assert not missing
    assert isinstance(module.mid_block.resnets[0].conv1, QuantizedLayer)
    inputs = (torch.randn(1, 4, 8, 8), 5, torch.randn(1, 2, 32))
    with torch.no_grad():
        exact, found = unet(*inputs).sample, module.eval()(*inputs).sample
    assert 0 < float((found - exact).norm() / exact.norm()) < 0.02
