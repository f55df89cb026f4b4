"""Single-file checkpoints in the original layout load as the pipeline that they were written
from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType
from sdtui.core.errors import CancelledError, ModelDamagedError
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.samplers import make_scheduler
from sdtui.engine.stages.load import load_component, load_pipeline
from sdtui.models import ModelDescription, NativeValues
from sdtui.models.component_files import CONFIGS, describe_components
from tests.support.original_layout import write_single_file
from tests.support.single_files import random_pipeline, small_configs

FAMILIES = ("sd1", "sd2", "sdxl")
REFINER = "sdxl_refiner"


pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ModelDescription]]:
    """Each family's small pipeline, and the description of its single file (the family is set here,
    since it is recognised by the widths, which are smaller)."""
    quiet_libraries()
    models = {}
    for family in (*FAMILIES, REFINER):
        folder = tmp_path_factory.mktemp(family)
        configs = small_configs(family, folder / "configs")
        pipeline = random_pipeline(configs)
        models[family] = (
            pipeline,
            ModelDescription(
                path=write_single_file(pipeline, folder / "model.safetensors"),
                family=family.removesuffix("_refiner"),
                pipeline_class=type(pipeline).__name__,
                parameters={},
                native=NativeValues(),
                single_file=True,
                components=describe_components(configs),
                configs=configs,
            ),
        )
    return models


def load(description: ModelDescription, dtype: DType = DType.FLOAT32) -> Any:
    """Load a model without reporting."""
    return load_pipeline(description, dtype, lambda *_: None, Cancellation())[0]


def picture(pipeline: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a small picture as an array."""
    size: dict[str, Any] = {"width": 64, "height": 64}
    if pipeline.text_encoder is None:
        size = {"image": Image.new("RGB", (64, 64)), "strength": 1.0}
    result = pipeline(
        "a red cat, on a mat",
        num_inference_steps=2,
        **size,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    )
    image: np.ndarray[Any, np.dtype[np.float32]] = result.images[0]
    return image


@pytest.mark.parametrize("family", [*FAMILIES, REFINER])
def test_checkpoint_gives_the_original_weights_and_picture(
    originals: dict[str, tuple[Any, ModelDescription]], family: str
) -> None:
    original, description = originals[family]
    loaded = load(description)
    compared = 0
    for name, part in original.components.items():
        if isinstance(part, torch.nn.Module):
            weights = getattr(loaded, name).state_dict()
            assert list(weights) == list(part.state_dict())
            for key, tensor in part.state_dict().items():
                assert torch.equal(weights[key], tensor), f"{name}.{key}"
            compared += 1
    assert compared == (4 if family == "sdxl" else 3)
    # Not bit for bit: the order of summation depends on the weights' memory layout.
    np.testing.assert_allclose(picture(loaded), picture(original), rtol=0, atol=1e-4)


def test_checkpoint_is_loaded_in_another_dtype(
    originals: dict[str, tuple[Any, ModelDescription]],
) -> None:
    loaded = load(originals["sd1"][1], DType.BFLOAT16)
    for part in (loaded.unet, loaded.vae, loaded.text_encoder):
        assert {tensor.dtype for tensor in part.parameters()} == {torch.bfloat16}
        assert not part.training


def test_one_component_of_a_checkpoint_can_be_loaded(
    originals: dict[str, tuple[Any, ModelDescription]],
) -> None:
    original, description = originals["sd1"]
    vae = load_component(description, "vae", torch.float32)
    assert torch.equal(vae.decoder.conv_in.weight, original.vae.decoder.conv_in.weight)


@pytest.mark.parametrize("family", FAMILIES)
def test_v_prediction_and_zero_terminal_snr_reach_every_sampler(
    originals: dict[str, tuple[Any, ModelDescription]], family: str
) -> None:
    description = replace(
        originals[family][1], prediction_type="v_prediction", zero_terminal_snr=True
    )
    scheduler = load(description).scheduler
    for label in (None, "DPM++ 2M Karras", "Euler", "Euler a", "DDIM"):
        config = make_scheduler(scheduler, label).config
        assert config.prediction_type == "v_prediction"
        assert config.timestep_spacing == "trailing"
        assert config.rescale_betas_zero_snr


def test_sd2_base_predicts_epsilon(originals: dict[str, tuple[Any, ModelDescription]]) -> None:
    description = originals["sd2"][1]
    assert load(description).scheduler.config.prediction_type == "v_prediction"
    epsilon = load(replace(description, prediction_type="epsilon"))
    assert epsilon.scheduler.config.prediction_type == "epsilon"


def test_loading_can_be_cancelled_between_components(
    originals: dict[str, tuple[Any, ModelDescription]],
) -> None:
    cancellation = Cancellation()
    begun: list[str] = []

    def on_component(name: str, _: int, __: int) -> None:
        begun.append(name)
        cancellation.stop_now()

    with pytest.raises(CancelledError):
        load_pipeline(originals["sd1"][1], DType.FLOAT32, on_component, cancellation)
    assert len(begun) == 1


_OLD_CLIP = ("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.")
_TURBO = ("cond_stage_model.model.", "conditioner.embedders.0.model.")


@pytest.mark.parametrize(("family", "names"), [("sd1", _OLD_CLIP), ("sd2", _TURBO)])
def test_text_encoder_is_found_under_other_names(
    originals: dict[str, tuple[Any, ModelDescription]],
    tmp_path: Path,
    family: str,
    names: tuple[str, str],
) -> None:
    pipeline, description = originals[family]
    tensors = load_file(description.path)
    renamed = {name.replace(*names, 1): tensor for name, tensor in tensors.items()}
    assert set(renamed) != set(tensors)
    save_file(renamed, tmp_path / "renamed.safetensors")
    loaded = load(replace(description, path=tmp_path / "renamed.safetensors"))
    for name, tensor in pipeline.text_encoder.state_dict().items():
        assert torch.equal(loaded.text_encoder.state_dict()[name], tensor)


def _without(prefix: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors[next(name for name in tensors if name.startswith(prefix))]

    return change


def _cut(prefix: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        name = next(name for name in tensors if name.startswith(prefix))
        tensors[name] = tensors[name][:-1].clone()

    return change


@pytest.mark.parametrize("kind", [_without, _cut])
@pytest.mark.parametrize(
    "prefix",
    [
        "model.diffusion_model.input_blocks.1",
        "first_stage_model.decoder",
        "cond_stage_model.transformer.text_model.final_layer_norm",
        "cond_stage_model.transformer.text_model.embeddings.position_embedding",
    ],
)
def test_incomplete_checkpoint_is_refused(
    originals: dict[str, tuple[Any, ModelDescription]],
    tmp_path: Path,
    prefix: str,
    kind: Callable[[str], Callable[[dict[str, torch.Tensor]], None]],
) -> None:
    description = originals["sd1"][1]
    tensors = load_file(description.path)
    kind(prefix)(tensors)
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(ModelDamagedError) as caught:
        load(replace(description, path=tmp_path / "broken.safetensors"))
    assert "\n" not in str(caught.value)


def test_bundled_configs_create_their_components() -> None:
    for family in FAMILIES:
        for name, (library, class_name) in describe_components(CONFIGS / family).items():
            assert library in ("diffusers", "transformers")
            assert (CONFIGS / family / name).is_dir(), class_name


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_inpainting_checkpoint_loads_with_its_nine_channels(tmp_path: Path, family: str) -> None:
    configs = small_configs(family, tmp_path / "configs")
    pipeline = random_pipeline(configs)
    pipeline.unet = type(pipeline.unet).from_config({**pipeline.unet.config, "in_channels": 9})
    description = ModelDescription(
        path=write_single_file(pipeline, tmp_path / "model.safetensors"),
        family=family,
        pipeline_class=type(pipeline).__name__,
        parameters={},
        native=NativeValues(),
        single_file=True,
        is_inpainting=True,
        components=describe_components(configs),
        configs=configs,
    )
    loaded = load(description)
    assert loaded.unet.config.in_channels == 9
    assert torch.equal(loaded.unet.conv_in.weight, pipeline.unet.conv_in.weight)
