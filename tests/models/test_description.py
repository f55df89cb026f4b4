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
    UnsupportedModelError,
)
from sdtui.core.samplers import DEFAULT_SAMPLER
from sdtui.models import NativeValues, describe_model, weight_variant
from sdtui.models.component_files import count_parameters
from tests.support.model_files import TINY_VAE, checkpoint, safetensors, sd1_folder


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
    ("family", "pipeline", "size"),
    [
        ("sd1", "StableDiffusionPipeline", 512),
        ("sd2", "StableDiffusionPipeline", 768),
        ("sdxl", "StableDiffusionXLPipeline", 1024),
    ],
)
def test_family_of_a_checkpoint_comes_from_its_tensors(
    tmp_path: Path, family: str, pipeline: str, size: int
) -> None:
    found = describe_model(safetensors(tmp_path / "m.safetensors", checkpoint(family)))
    assert (found.family, found.pipeline_class) == (family, pipeline)
    assert found.single_file
    assert (found.native.width, found.native.height) == (size, size)
    assert found.parameters["vae"] == 128 * 3 * 3 * 3
    assert found.parameters["text_encoder"] == 10
    assert found.parameters["unet"] > 320 * 768
    assert (found.configs / "unet" / "config.json").is_file()
    assert set(found.parameters) <= set(found.components)


@pytest.mark.parametrize(
    ("family", "name", "metadata", "expected"),
    [
        ("sd1", "m", {}, None),
        ("sd1", "m", {"modelspec.prediction_type": "v"}, "v_prediction"),
        ("sdxl", "m", {}, None),
        ("sdxl", "m", {"modelspec.prediction_type": "v_prediction"}, "v_prediction"),
        ("sdxl", "m", {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        ("sd2", "v2-1_768-ema-pruned", {}, "v_prediction"),
        ("sd2", "v2-1_512-ema-pruned", {}, "epsilon"),
        ("sd2", "512-base-ema", {}, "epsilon"),
        ("sd2", "512-base-ema", {"modelspec.prediction_type": "v"}, "v_prediction"),
    ],
)
def test_prediction_type_comes_from_name_and_metadata(
    tmp_path: Path, family: str, name: str, metadata: dict[str, str], expected: str | None
) -> None:
    file = safetensors(tmp_path / f"{name}.safetensors", checkpoint(family), metadata)
    found = describe_model(file)
    assert found.prediction_type == expected
    assert not found.zero_terminal_snr
    if family == "sd2":
        assert found.native.width == (512 if expected == "epsilon" else 768)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('model:\n  params:\n    parameterization: "v"\n', "v_prediction"),
        ("model:\n  params:\n    parameterization: v\n", "v_prediction"),
        ("model:\n  params:\n    parameterization: eps\n", "epsilon"),
        ("model:\n  params: {}\n", "epsilon"),
    ],
)
def test_prediction_type_comes_from_the_yaml_file(tmp_path: Path, text: str, expected: str) -> None:
    file = safetensors(tmp_path / "m.safetensors", checkpoint("sd2"))
    file.with_suffix(".yaml").write_text(text)
    assert describe_model(file).prediction_type == expected


def test_marker_tensors_of_trainers_are_recognised(tmp_path: Path) -> None:
    marks: dict[str, tuple[int, ...]] = {"v_pred": (0,), "ztsnr": (0,)}
    found = describe_model(safetensors(tmp_path / "m", {**checkpoint("sdxl"), **marks}))
    assert found.prediction_type == "v_prediction"
    assert found.zero_terminal_snr


def test_sd_turbo_is_recognised_by_its_layout(tmp_path: Path) -> None:
    shapes = checkpoint("sd2")
    shapes["conditioner.embedders.0.model.x"] = shapes.pop("cond_stage_model.x")
    found = describe_model(safetensors(tmp_path / "renamed.safetensors", shapes))
    assert (found.family, found.prediction_type, found.native.width) == ("sd2", "epsilon", 512)
    assert (found.native.num_inference_steps, found.timestep_spacing) == (1, "trailing")


@pytest.mark.parametrize(
    ("name", "metadata", "steps", "size"),
    [
        ("sd_xl_turbo_1.0_fp16", {}, 1, 512),
        ("x", {"modelspec.title": "Stable Diffusion XL Turbo 1.0"}, 6, 1024),
        ("x", {"modelspec.title": "SDXL Turbo", "modelspec.resolution": "512x512"}, 1, 512),
        ("x", {"modelspec.resolution": "768x768"}, 25, 768),
        ("x", {"modelspec.resolution": "99999x99999"}, 25, 1024),
    ],
)
def test_metadata_and_distillation_give_a_checkpoint_its_size(
    tmp_path: Path, name: str, metadata: dict[str, str], steps: int, size: int
) -> None:
    file = safetensors(tmp_path / f"{name}.safetensors", checkpoint("sdxl"), metadata)
    native = describe_model(file).native
    assert (native.num_inference_steps, native.width, native.height) == (steps, size, size)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [("first_stage_model", "without a VAE"), ("cond_stage_model", "without a text encoder")],
)
def test_checkpoint_without_a_part_is_refused(tmp_path: Path, prefix: str, said: str) -> None:
    shapes = {name: it for name, it in checkpoint("sd1").items() if not name.startswith(prefix)}
    with pytest.raises(UnsupportedModelError, match=said):
        describe_model(safetensors(tmp_path / "m.safetensors", shapes))


@pytest.mark.parametrize("marker", ["edm_mean", "edm_vpred.sigma_max"])
def test_checkpoint_of_the_edm_kind_is_refused(tmp_path: Path, marker: str) -> None:
    file = safetensors(tmp_path / "m.safetensors", {**checkpoint("sdxl"), marker: (1,)})
    with pytest.raises(UnsupportedModelError, match="EDM"):
        describe_model(file)


@pytest.mark.parametrize(
    ("config", "sampler"),
    [
        ({"_class_name": "PNDMScheduler"}, DEFAULT_SAMPLER),
        ({"_class_name": "LMSDiscreteScheduler"}, DEFAULT_SAMPLER),
        ({"_class_name": "EDMEulerScheduler"}, None),
        ({"_class_name": "EDMDPMSolverMultistepScheduler"}, None),
        ({"_class_name": "TCDScheduler"}, None),
        (
            {"_class_name": "UniPCMultistepScheduler", "prediction_type": "flow_prediction"},
            None,
        ),
    ],
)
def test_scheduler_that_a_model_was_trained_for_is_kept(
    tmp_path: Path, config: dict[str, str], sampler: str | None
) -> None:
    result = sd1_folder(tmp_path)
    (result / "scheduler").mkdir()
    (result / "scheduler/scheduler_config.json").write_text(json.dumps(config))
    assert describe_model(result).native.sampler == sampler


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


_REFINER = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (checkpoint("sd1", channels=9), "inpainting"),
        (checkpoint("sdxl", channels=9), "inpainting"),
        (checkpoint("sd1", channels=8), "editing"),
        ({**checkpoint("sdxl"), _REFINER: (768, 1280)}, "refiner"),
        ({"lora_unet_down_blocks_0.lora_up.weight": (4, 4)}, "LoRA"),
        ({"first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3)}, "VAE"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (128,)}, "another kind"),
        ({}, "another kind"),
        ({"model.diffusion_model.input_blocks.0.0.weight": ()}, "text-to-image"),
    ],
)
def test_safetensors_that_are_not_checkpoints_are_refused(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], said: str
) -> None:
    file = safetensors(tmp_path / "m.safetensors", shapes)
    with pytest.raises(UnsupportedModelError) as caught:
        describe_model(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
