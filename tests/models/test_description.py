"""What a model is, read before it is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.errors import (
    ModelDamagedError,
    ModelError,
    UnsafeModelError,
)
from sdtui.core.samplers import DEFAULT_SAMPLER
from sdtui.models import NativeValues, describe_model, diffusers_folder, weight_variant
from sdtui.models.component_files import count_parameters
from tests.support.model_files import TINY_VAE, safetensors, sd1_folder


def test_tiny_models_are_described(tiny_sd1: Path, tiny_sdxl: Path) -> None:
    sd1, sdxl = describe_model(tiny_sd1), describe_model(tiny_sdxl)
    assert (sd1.family, sdxl.family) == ("sd1", "sdxl")
    assert sd1.native == NativeValues(128, 128, 25, 7.5, DEFAULT_SAMPLER)
    assert sdxl.native == NativeValues(128, 128, 25, 5.0, DEFAULT_SAMPLER)
    assert set(sd1.parameters) == {"unet", "vae", "text_encoder"}
    assert set(sdxl.parameters) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    assert sd1.is_stable_diffusion
    assert not sd1.single_file


def test_parameters_are_counted_from_the_weights(tiny_sd1: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(tiny_sd1 / "unet" / "diffusion_pytorch_model.safetensors")
    expected = sum(tensor.numel() for tensor in tensors.values())
    assert describe_model(tiny_sd1).parameters["unet"] == expected


def test_weights_are_counted_again_only_when_their_file_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sd1_folder(tmp_path)
    before = describe_model(folder)
    with monkeypatch.context() as patch:
        patch.setattr(diffusers_folder, "read_header", pytest.fail)
        assert describe_model(folder) == before
    safetensors(folder / "unet/diffusion_pytorch_model.safetensors", {"a": (1234,)})
    assert describe_model(folder).parameters == {**before.parameters, "unet": 1234}


def test_family_of_a_folder_comes_from_its_configs(tmp_path: Path) -> None:
    assert describe_model(sd1_folder(tmp_path / "1")).family == "sd1"
    sd2 = describe_model(sd1_folder(tmp_path / "2", unet={"cross_attention_dim": 1024}))
    assert sd2.family == "sd2"
    assert sd2.native.width is None
    small = describe_model(sd1_folder(tmp_path / "3", vae=TINY_VAE, unet={"sample_size": 32}))
    assert (small.family, small.tiny_vae, small.vae_factor) == ("pocket", True, 4)
    assert small.native.width == 128
    flux = describe_model(sd1_folder(tmp_path / "4", _class_name="FluxPipeline"))
    assert (flux.family, flux.is_stable_diffusion) == ("FluxPipeline", False)
    assert flux.native.sampler is None


def test_sdtui_json_overrides_native_values(tmp_path: Path) -> None:
    result = sd1_folder(tmp_path)
    own = {"width": 256, "num_inference_steps": 12, "guidance_scale": 4, "sampler": "Euler a"}
    (result / "sdtui.json").write_text(json.dumps(own))
    assert describe_model(result).native == NativeValues(256, 512, 12, 4, "Euler a")


@pytest.mark.parametrize(
    "own",
    [
        {"width": "wide"},
        {"width": 7},
        {"num_inference_steps": 0},
        {"sampler": "Oiler"},
        {"stesp": 3},
        [],
        {"guidance_scale": None, "width": [1]},
        {"training": 5},
        {"training": {"rate": 1}},
        {"training": {"learning_rate": -1}},
        {"hires_above": 63},
        {"hires_above": "512"},
        {"hires_above": True},
    ],
)
def test_wrong_sdtui_json_is_refused(tmp_path: Path, own: Any) -> None:
    result = sd1_folder(tmp_path)
    (result / "sdtui.json").write_text(json.dumps(own))
    with pytest.raises(ModelDamagedError, match=r"sdtui\.json"):
        describe_model(result)


def test_fp16_variant_counts_only_where_it_is_alone(tmp_path: Path) -> None:
    result = sd1_folder(tmp_path)
    safetensors(result / "unet/diffusion_pytorch_model.fp16.safetensors", {"a": (5,)})
    assert describe_model(result).parameters["unet"] == 30
    (result / "unet/diffusion_pytorch_model.safetensors").unlink()
    assert describe_model(result).parameters["unet"] == 5


@pytest.mark.parametrize("variant", ["fp16", "bf16", "fp8", "fp8_e4m3fn", "ema", "non_ema"])
@pytest.mark.parametrize("shards", [("{}.{}",), ("{}.{}-00001-of-00002", "{}.{}-00002-of-00002")])
def test_weights_of_any_variant_are_found(
    tmp_path: Path, variant: str, shards: tuple[str, ...]
) -> None:
    result = sd1_folder(tmp_path)
    (result / "unet/diffusion_pytorch_model.safetensors").unlink()
    for shard in shards:
        name = shard.format("diffusion_pytorch_model", variant)
        safetensors(result / f"unet/{name}.safetensors", {name: (5,)})
    assert describe_model(result).parameters["unet"] == 5 * len(shards)
    assert weight_variant(result / "unet") == variant


def test_one_variant_of_several_is_taken(tmp_path: Path) -> None:
    for number, variant in enumerate(["non_ema", "fp8", "bf16", "fp16"], start=1):
        safetensors(tmp_path / f"model.{variant}.safetensors", {"a": (number,)})
        assert weight_variant(tmp_path) == variant
        assert count_parameters(tmp_path) == number
    safetensors(tmp_path / "model-00001-of-00001.safetensors", {"a": (9,)})
    assert (weight_variant(tmp_path), count_parameters(tmp_path)) == (None, 9)


def test_parameters_of_shards_are_added_up(tmp_path: Path) -> None:
    result = sd1_folder(tmp_path)
    safetensors(result / "unet/model-00002-of-00002.safetensors", {"b": (4,)})
    assert describe_model(result).parameters["unet"] == 34


def _to_pickle(result: Path) -> None:
    file = result / "unet/diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))


def _with_code(result: Path) -> None:
    (result / "vae" / "vae.py").write_text("import os")


def _with_code_in_the_tokenizer(result: Path) -> None:
    (result / "tokenizer" / "evil.py").write_text("import os")


def _no_weights(result: Path) -> None:
    (result / "unet/diffusion_pytorch_model.safetensors").unlink()


def _no_index(result: Path) -> None:
    (result / "model_index.json").unlink()


def _broken_index(result: Path) -> None:
    (result / "model_index.json").write_text('["unet"')


def _index_of_another_kind(result: Path) -> None:
    (result / "model_index.json").write_text('["unet"]')


def _index_bomb(result: Path) -> None:
    (result / "model_index.json").write_text("[" * 200_000)


def _binary_config(result: Path) -> None:
    (result / "unet" / "config.json").write_bytes(b"\xff\xfe")


def _wrong_config(result: Path) -> None:
    (result / "vae" / "config.json").write_text('{"block_out_channels": 3}')


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_to_pickle, UnsafeModelError),
        (_with_code, UnsafeModelError),
        (_with_code_in_the_tokenizer, UnsafeModelError),
        (_no_weights, ModelDamagedError),
        (_no_index, ModelDamagedError),
        (_broken_index, ModelDamagedError),
        (_index_of_another_kind, ModelDamagedError),
        (_index_bomb, ModelDamagedError),
        (_binary_config, ModelDamagedError),
        (_wrong_config, ModelDamagedError),
    ],
)
def test_damaged_folder_is_refused_by_path(
    tmp_path: Path, damage: Callable[[Path], None], expected: type[ModelError]
) -> None:
    result = sd1_folder(tmp_path / "m")
    damage(result)
    with pytest.raises(expected) as caught:
        describe_model(result)
    assert str(result) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unused_components_may_be_pickles(tmp_path: Path) -> None:
    result = sd1_folder(
        tmp_path, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"]
    )
    shutil.copytree(result / "unet", result / "safety_checker")
    file = result / "safety_checker/diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))
    assert set(describe_model(result).parameters) == {"unet", "vae"}


@pytest.mark.parametrize(
    "pipeline_class",
    [
        *("FluxPipeline", "QwenImagePipeline", "SanaPipeline", "Cosmos2TextToImagePipeline"),
        *("LDMTextToImagePipeline", "UnCLIPPipeline", "DreamLitePipeline", "LongCatImagePipeline"),
        *("FluxKontextPipeline", "StableCascadeCombinedPipeline", "KandinskyV22CombinedPipeline"),
    ],
)
def test_pipelines_that_make_pictures_from_text_are_described(
    tmp_path: Path, pipeline_class: str
) -> None:
    assert describe_model(sd1_folder(tmp_path, _class_name=pipeline_class)).family == pipeline_class


@pytest.mark.parametrize(
    ("pipeline_class", "transformer", "vae", "size", "factor"),
    [
        ("ZImagePipeline", {}, {}, 1024, 8),
        ("Krea2Pipeline", {}, {"dim_mult": [1, 2, 4, 4]}, 1024, 8),
        ("AuraFlowPipeline", {"sample_size": 64}, {}, 1024, 8),
        ("Ideogram4Pipeline", {}, {}, 2048, 8),
        ("SanaPipeline", {"sample_size": 32}, {"encoder_block_out_channels": [1] * 6}, 1024, 32),
    ],
)
def test_size_of_other_families_is_known(
    tmp_path: Path,
    pipeline_class: str,
    transformer: dict[str, Any],
    vae: dict[str, Any],
    size: int,
    factor: int,
) -> None:
    result = sd1_folder(
        tmp_path, unet=transformer or {"a": 1}, vae=vae or {"a": 1}, _class_name=pipeline_class
    )
    found = describe_model(result)
    assert (found.native.width, found.native.height, found.vae_factor) == (size, size, factor)


def test_byte_order_marks_are_ignored(tmp_path: Path) -> None:
    result = sd1_folder(tmp_path)
    (result / "sdtui.json").write_text('{"num_inference_steps": 3}', encoding="utf-8-sig")
    assert describe_model(result).native.num_inference_steps == 3
