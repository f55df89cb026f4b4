"""What a checkpoint's file says of its model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdtui.core.errors import (
    UnsupportedModelError,
)
from sdtui.core.samplers import DEFAULT_SAMPLER
from sdtui.models import describe_model
from tests.support.model_files import checkpoint, safetensors, sd1_folder


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


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("channels", [4, 9])
def test_checkpoint_with_nine_channels_is_an_inpainting_model(
    tmp_path: Path, family: str, channels: int
) -> None:
    found = describe_model(safetensors(tmp_path / "m.safetensors", checkpoint(family, channels)))
    assert found.is_inpainting == (channels == 9)
    assert found.family == family


def test_inpainting_checkpoint_of_sd2_predicts_noise(tmp_path: Path) -> None:
    found = describe_model(safetensors(tmp_path / "m.safetensors", checkpoint("sd2", 9)))
    assert (found.prediction_type, found.guessed_prediction) == ("epsilon", False)


_WIDTH = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"


def test_refiner_of_sdxl_is_recognised_by_the_width_of_its_prompts(tmp_path: Path) -> None:
    shapes = {**checkpoint("sdxl"), _WIDTH: (768, 1280)}
    found = describe_model(safetensors(tmp_path / "m.safetensors", shapes))
    assert found.is_refiner
    assert (found.family, found.components.keys() & {"tokenizer", "tokenizer_2"}) == (
        "sdxl",
        {"tokenizer_2"},
    )


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (checkpoint("sd1", channels=8), "editing"),
        ({**checkpoint("sdxl"), _WIDTH: (768, 999)}, "unknown kind"),
        ({"lora_unet_down_blocks_0.lora_up.weight": (4, 4)}, "LoRA"),
        ({"first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3)}, "VAE"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (128,)}, "FLUX.1-schnell"),
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
