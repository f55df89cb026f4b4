"""Files that aren't models: what they are is said by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import ModelDamagedError, UnsupportedModelError
from sdtui.models import describe_model
from tests.support.model_files import checkpoint, safetensors, sd1_folder


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        ("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", "a LoRA"),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1.hada_w1_a", "a LoRA"),
        ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", "a LoRA"),
        ("diffusion_model.double_blocks.0.img_attn.proj.lora_up.weight", "a LoRA"),
        ("base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_B.weight", "a LoRA"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
        ("ip_adapter.1.to_k_ip.weight", "an IP-Adapter"),
        ("encoder.down.0.block.0.conv1.weight", "a VAE"),
        ("decoder.up_blocks.0.resnets.0.conv1.weight", "a VAE"),
        ("emb_params", "a textual inversion"),
        ("clip_g", "a textual inversion"),
        ("model.1.sub.0.RDB1.conv1.0.weight", "an upscaler"),
        ("body.0.rdb1.conv1.weight", "an upscaler"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a text encoder"),
        ("encoder.block.0.layer.0.SelfAttention.q.weight", "a text encoder"),
        ("down_blocks.0.attentions.0.proj_in.weight", "a U-Net alone"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "SD 3"),
        ("single_blocks.0.linear1.weight", "Flux"),
        ("model.diffusion_model.layers.0.attention.qkv.weight", "another family"),
        ("something.else", "another kind of file"),
    ],
)
def test_kind_of_another_file_is_named(tmp_path: Path, tensor: str, kind: str) -> None:
    file = safetensors(tmp_path / "m.safetensors", {tensor: (4, 4)})
    with pytest.raises(UnsupportedModelError, match=kind):
        describe_model(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 4\n", "git lfs pull"),
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "web page"),
        (b"\r\n<html>Not found</html>", "web page"),
        (b'{"error": "Unauthorized", "message": "log in"}', "log in"),
        (b"GGUF" + bytes(60), "GGUF"),
        (b"PK\x03\x04" + bytes(60), "pickle"),
        (b"\x80\x02c__builtin__\neval" + bytes(60), "pickle"),
        (b"abc", "not a safetensors file"),
        (bytes(range(200, 256)), "not a safetensors file"),
    ],
)
def test_content_of_a_file_with_a_wrong_name_is_named(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelDamagedError, match=words):
        describe_model(file)


@pytest.mark.parametrize(
    "tensor",
    [
        "model.diffusion_model.a.weight.quant_state.bitsandbytes__nf4",
        "model.diffusion_model.a.weight.absmax",
        "model.diffusion_model.a.scale_weight",
        "scaled_fp8",
        "model.diffusion_model.scaled_fp8",
        "model.diffusion_model.a.qweight",
    ],
)
def test_quantized_checkpoint_is_refused(tmp_path: Path, tensor: str) -> None:
    file = safetensors(tmp_path / "m.safetensors", {**checkpoint("sdxl"), tensor: (4,)})
    with pytest.raises(UnsupportedModelError, match="quantized weights"):
        describe_model(file)


def test_quantized_folder_is_refused(tmp_path: Path) -> None:
    unet = {"sample_size": 64, "cross_attention_dim": 768, "quantization_config": {"bits": 4}}
    with pytest.raises(UnsupportedModelError, match="quantized weights"):
        describe_model(sd1_folder(tmp_path / "m", unet=unet))
