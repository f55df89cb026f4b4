"""How a model predicts noise: told by its own file, or shown by its weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType
from sdtui.core.errors import ModelDamagedError
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.prediction import guess_notice, known_description, shown_prediction
from sdtui.engine.stages.load import load_pipeline
from sdtui.models import describe_model
from tests.support.images import difference
from tests.support.model_files import checkpoint, safetensors, sd1_folder
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd2


def _unet(bias: float, dtype: torch.dtype = torch.float32) -> Any:
    """A UNet whose prediction is about `bias` everywhere."""
    unet: Any = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=1024,
        norm_num_groups=4,
        attention_head_dim=4,
    )
    unet.conv_out.weight.data.zero_()
    unet.conv_out.bias.data.fill_(bias)
    return unet.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("bias", "expected"),
    [(0.5, "epsilon"), (0.4, "epsilon"), (-0.7, "v_prediction"), (-2.0, "v_prediction")],
)
def test_weights_show_how_they_predict(bias: float, expected: str, dtype: torch.dtype) -> None:
    assert shown_prediction(_unet(bias, dtype)) == expected


@pytest.mark.parametrize("bias", [0.5, -2.0])
def test_guess_is_replaced_by_what_the_weights_show(tmp_path: Path, bias: float) -> None:
    folder = make_sd2(tmp_path / "sd2")
    _unet(bias).save_pretrained(folder / "unet")
    description = replace(
        describe_model(folder), guessed_prediction=True, prediction_type="v_prediction"
    )
    pipeline, _ = load_pipeline(description, DType.FLOAT32, lambda *_: None, Cancellation())
    expected = "epsilon" if bias > 0 else "v_prediction"
    assert pipeline.scheduler.config.prediction_type == expected


@pytest.mark.parametrize(
    ("name", "guessed"),
    [
        ("artius21", True),
        ("my-database-merge", True),  # "base" in a word
        ("v2-1_768-ema-pruned", False),
        ("768-v-ema", False),
        ("512-base-ema", False),
        ("v2-1_512-nonema-pruned", False),
    ],
)
def test_only_official_names_say_how_a_file_predicts(
    tmp_path: Path, name: str, guessed: bool
) -> None:
    file = safetensors(tmp_path / f"{name}.safetensors", checkpoint("sd2"))
    assert describe_model(file).guessed_prediction is guessed


@pytest.mark.parametrize(("shown", "side"), [("epsilon", 512), ("v_prediction", 768)])
def test_native_size_follows_what_the_weights_show(tmp_path: Path, shown: str, side: int) -> None:
    file = safetensors(tmp_path / "merge.safetensors", checkpoint("sd2"))
    scheduler = SimpleNamespace(config=SimpleNamespace(prediction_type=shown))
    known = known_description(describe_model(file), scheduler)
    assert (known.prediction_type, known.native.width, known.native.height) == (shown, side, side)
    notice = guess_notice(known)
    assert shown in notice
    assert "merge.sdtui.json" in notice


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("name", ["mine", "mine.v2.1-fp16"])
def test_file_beside_a_checkpoint_precedes_everything(
    tmp_path: Path, family: str, name: str
) -> None:
    marks: dict[str, tuple[int, ...]] = {"v_pred": (0,), "ztsnr": (0,)}
    file = safetensors(tmp_path / f"{name}.safetensors", {**checkpoint(family), **marks})
    own = {"prediction_type": "epsilon", "zero_terminal_snr": False, "width": 640}
    (tmp_path / f"{name}.sdtui.json").write_text(json.dumps(own))
    found = describe_model(file)
    assert (found.prediction_type, found.zero_terminal_snr) == ("epsilon", False)
    assert not found.guessed_prediction
    assert found.native.width == 640


@pytest.mark.parametrize(
    "own", [{"prediction_type": "eps"}, {"prediction_type": 1}, {"zero_terminal_snr": "yes"}]
)
def test_wrong_values_of_the_file_are_refused(tmp_path: Path, own: dict[str, Any]) -> None:
    folder = sd1_folder(tmp_path)
    (folder / "sdtui.json").write_text(json.dumps(own))
    with pytest.raises(ModelDamagedError, match=r"sdtui\.json"):
        describe_model(folder)


def test_changed_file_takes_effect_at_the_next_run(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "model"))
    plain = generate(shared_engine, make_request(folder))
    own = folder / "sdtui.json"
    own.write_text('{"prediction_type": "v_prediction", "zero_terminal_snr": true}')
    told = generate(shared_engine, make_request(folder))
    assert told.record.model is not None
    assert told.record.model.prediction_type == "v_prediction"
    assert difference(plain.images[0], told.images[0]) > 0
    own.unlink()
    again = generate(shared_engine, make_request(folder))
    assert difference(plain.images[0], again.images[0]) == 0
