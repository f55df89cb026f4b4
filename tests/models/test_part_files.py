"""Text encoders and VAEs as single files, by their headers, and what they complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdtui.core.errors import UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models import describe_model
from sdtui.models.component_files import CONFIGS
from sdtui.models.part_files import found_part_files, read_part_file
from sdtui.models.part_kinds import KINDS
from tests.support.model_files import safetensors
from tests.support.transformer_headers import FLUX, flux_folder, gguf

Shapes = dict[str, tuple[int, ...]]

T5: Shapes = {
    "shared.weight": (100, 64),
    "encoder.block.0.layer.0.SelfAttention.q.weight": (64, 64),
}
T5_CONFIG = {"model_type": "t5", "d_model": 64, "num_layers": 1, "vocab_size": 100}
CLIP: Shapes = {
    "text_model.embeddings.token_embedding.weight": (50, 32),
    "text_model.encoder.layers.0.self_attn.q_proj.weight": (32, 32),
}
CLIP_CONFIG = {"model_type": "clip_text_model", "hidden_size": 32, "num_hidden_layers": 1}
VAE: Shapes = {"decoder.conv_in.weight": (512, 16, 3, 3)}
VAE_CONFIG = {"_class_name": "AutoencoderKL", "latent_channels": 16}
UNET: Shapes = {
    "input_blocks.0.0.weight": (320, 4, 3, 3),
    "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
    "label_emb.0.0.weight": (1280, 2816),
}


def without_weights(folder: Path) -> Path:
    """A Flux model of which only configs are there."""
    flux_folder(folder)
    (folder / "text_encoder_2").mkdir()
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder_2"] = ["transformers", "T5EncoderModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    configs = {"text_encoder": CLIP_CONFIG, "text_encoder_2": T5_CONFIG, "vae": VAE_CONFIG}
    for name, config in configs.items():
        (folder / name / "config.json").write_text(json.dumps(config))
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    return folder


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    """ComfyUI's folder of models with a transformer, its text encoders and VAE."""
    models = tmp_path / "ComfyUI" / "models"
    (models / "unet").mkdir(parents=True)
    gguf(models / "unet" / "flux1-dev-Q8_0.gguf", FLUX)
    safetensors(models / "text_encoders" / "t5xxl_fp16.safetensors", T5)
    safetensors(models / "clip" / "clip_l.safetensors", CLIP)
    safetensors(models / "vae" / "ae.safetensors", VAE)
    return models


def test_single_files_complete_the_configs_of_a_model(tmp_path: Path, comfyui: Path) -> None:
    base = without_weights(tmp_path / "base")
    settings = Settings(base_models=(base,), model_folders=(comfyui,))
    described = describe_model(comfyui / "unet" / "flux1-dev-Q8_0.gguf", settings)
    assert {name: path.name for name, path in described.part_files.items()} == {
        "text_encoder": "clip_l.safetensors",
        "text_encoder_2": "t5xxl_fp16.safetensors",
        "vae": "ae.safetensors",
    }
    assert described.parameters["text_encoder_2"] == 100 * 64 + 64 * 64
    assert described.configs == base


def test_file_that_the_settings_name_comes_first(tmp_path: Path, comfyui: Path) -> None:
    base = without_weights(tmp_path / "base")
    other = safetensors(tmp_path / "t5_own.safetensors", T5)
    safetensors(base / "text_encoder_2" / "model.safetensors", T5)
    file = comfyui / "unet" / "flux1-dev-Q8_0.gguf"
    for named, parts in (((base,), {"text_encoder", "vae"}), ((other, base), {"text_encoder_2"})):
        described = describe_model(file, Settings(base_models=named, model_folders=(comfyui,)))
        assert parts <= described.part_files.keys()
    assert described.part_files["text_encoder_2"] == other
    wrong = safetensors(tmp_path / "x.safetensors", {"a": (4,)})
    with pytest.raises(UnsupportedModelError, match="base_models"):
        describe_model(file, Settings(base_models=(wrong,)))


def test_message_names_what_is_missing(tmp_path: Path, comfyui: Path) -> None:
    file = comfyui / "unet" / "flux1-dev-Q8_0.gguf"
    folders = (comfyui,)
    with pytest.raises(UnsupportedModelError, match=r"clip_l.*--without-weights"):
        describe_model(file, Settings(model_folders=folders))
    base = without_weights(tmp_path / "base")
    # The encoder of another family.
    wider = dict(T5) | {"shared.weight": (100, 128)}
    safetensors(comfyui / "text_encoders" / "t5xxl_fp16.safetensors", wider)
    with pytest.raises(UnsupportedModelError, match=r"t5 of width 64.*t5xxl_fp16\S* is T5"):
        describe_model(file, Settings(base_models=(base,), model_folders=folders))
    (comfyui / "text_encoders" / "t5xxl_fp16.safetensors").write_bytes(b"\0" * 9)
    with pytest.raises(UnsupportedModelError, match=r"t5xxl_fp16\.safetensors is damaged"):
        describe_model(file, Settings(base_models=(base,), model_folders=folders))


def test_most_precise_of_several_is_taken(comfyui: Path) -> None:
    safetensors(comfyui / "clip" / "a.safetensors", CLIP, dtype="F32")
    (comfyui / "clip" / "broken.safetensors").write_bytes(b"\0" * 9)
    names = [each.path.name for each in found_part_files(Settings(model_folders=(comfyui,)))]
    assert names == [
        "a.safetensors",
        "ae.safetensors",
        "clip_l.safetensors",
        "t5xxl_fp16.safetensors",
    ]


def test_every_kind_is_recognised(tmp_path: Path) -> None:
    for kind in KINDS:
        shapes = dict.fromkeys(kind.markers, (4, 4))
        found = read_part_file(safetensors(tmp_path / "m.safetensors", shapes))
        assert found is not None
        assert found.kind is kind


def test_unet_alone_is_completed_by_single_files(tmp_path: Path) -> None:
    models = tmp_path / "models"
    clip_g = {
        "text_model.embeddings.token_embedding.weight": (50, 1280),
        **{f"text_model.encoder.layers.{n}.self_attn.q_proj.weight": (1, 1) for n in range(32)},
    }
    clip_l = {
        "text_model.embeddings.token_embedding.weight": (50, 768),
        **{f"text_model.encoder.layers.{n}.self_attn.q_proj.weight": (1, 1) for n in range(12)},
    }
    safetensors(models / "clip" / "clip_g.safetensors", clip_g)
    safetensors(models / "clip" / "clip_l.safetensors", clip_l)
    safetensors(models / "vae" / "sd3_vae.safetensors", VAE)
    four_channels: Shapes = {"decoder.conv_in.weight": (512, 4, 3, 3)}
    safetensors(models / "vae" / "vae-ft-mse.safetensors", four_channels)
    unet = safetensors(models / "unet" / "sdxl.safetensors", UNET)
    settings = Settings(model_folders=(models,))
    with pytest.raises(UnsupportedModelError, match="the vae AutoencoderKL"):
        describe_model(unet, settings)
    safetensors(models / "vae" / "sdxl_vae.safetensors", four_channels)
    described = describe_model(unet, settings)
    assert described.family == "sdxl"
    assert described.configs == CONFIGS / "sdxl"
    assert described.part_files["vae"].name == "sdxl_vae.safetensors"
    assert described.part_files["text_encoder_2"].name == "clip_g.safetensors"


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("m-00001-of-00003.safetensors", FLUX, "piece 1 of the 3"),
        ("m.safetensors", {**FLUX, "single_blocks.0.linear1.weight.absmax": (4,)}, "bitsandbytes"),
        ("m.safetensors", {**FLUX, "single_blocks.0.linear1.weight_scale_2": (1,)}, "nvfp4"),
        ("m.safetensors", {**FLUX, "single_blocks.0.linear1.qweight": (4, 4)}, "GPTQ"),
        ("m.safetensors", {**FLUX, "single_blocks.0.linear1.wscales": (4, 4)}, "SVDQuant"),
    ],
)
def test_files_of_other_programs_are_refused(
    tmp_path: Path, name: str, shapes: Shapes, message: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        describe_model(safetensors(tmp_path / name, shapes))


def test_pieces_of_a_gguf_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="llama-gguf-split"):
        describe_model(gguf(tmp_path / "flux-00002-of-00002.gguf", FLUX))
