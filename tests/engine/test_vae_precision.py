"""Parts of a model that overflow in fp16 compute in another format, the others in that of the
run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode
from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.stages.load import load_pipeline
from sdtui.models import describe_model, native_estimate
from tests.support.requests import make_request
from tests.support.tiny_transformers import save_tiny


def _load(folder: Path, dtype: DType) -> Any:
    return load_pipeline(describe_model(folder), dtype, lambda *_: None, Cancellation())[0]


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (DType.FLOAT16, torch.float32),
        (DType.BFLOAT16, torch.bfloat16),
        (DType.FLOAT32, torch.float32),
    ],
)
def test_vae_of_sdxl_is_in_float32_in_place_of_float16(
    tiny_sdxl: Path, dtype: DType, expected: torch.dtype
) -> None:
    pipeline = _load(tiny_sdxl, dtype)
    assert pipeline.vae.dtype is expected
    assert str(pipeline.unet.dtype) == f"torch.{dtype}"


def test_vae_of_sd1_is_in_float16_as_in_diffusers(tiny_sd1: Path) -> None:
    assert _load(tiny_sd1, DType.FLOAT16).vae.dtype is torch.float16


def test_vae_of_sdxl_that_was_corrected_is_in_float16(tiny_sdxl: Path, tmp_path: Path) -> None:
    pipeline = _load(tiny_sdxl, DType.FLOAT32)
    pipeline.save_pretrained(tmp_path)
    config = tmp_path / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "force_upcast": False}))
    assert _load(tmp_path, DType.FLOAT16).vae.dtype is torch.float16


@pytest.mark.parametrize(
    ("pipeline", "overflows"),
    [
        ("KolorsPipeline", True),
        ("AuraFlowPipeline", True),
        ("SanaSprintPipeline", True),
        ("StableDiffusionXLPAGPipeline", True),
        ("StableDiffusion3Pipeline", False),
        ("FluxPipeline", False),
    ],
)
def test_vae_overflows_where_diffusers_converts_it(
    tiny_sdxl: Path, tmp_path: Path, pipeline: str, overflows: bool
) -> None:
    folder = Path(shutil.copytree(tiny_sdxl, tmp_path / "model"))
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_class_name": pipeline}))
    assert describe_model(folder).vae_overflows is overflows


def test_only_the_transformer_of_sana_is_in_float16(tmp_path: Path) -> None:
    save_tiny("sana", tmp_path)
    parts = _load(tmp_path, DType.FLOAT16).components
    assert {name: parts[name].dtype for name in ("transformer", "text_encoder", "vae")} == {
        "transformer": torch.float16,
        "text_encoder": torch.bfloat16,
        "vae": torch.float32,
    }
    request = make_request(tmp_path, dtype="float16", sampler=None, num_inference_steps=1)
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        assert len(generate(engine, request).images) == 1


def test_estimate_counts_the_vae_in_float32(tiny_sdxl: Path) -> None:
    description = describe_model(tiny_sdxl)
    assert description.vae_overflows
    here = native_estimate(description, DType.FLOAT16)
    corrected = native_estimate(replace(description, vae_overflows=False), DType.FLOAT16)
    assert here.weights - corrected.weights == 2 * description.parameters["vae"]
    assert here.decode > corrected.decode
    assert here.peaks[MemoryMode.MODEL_OFFLOAD] > corrected.peaks[MemoryMode.MODEL_OFFLOAD]
    assert native_estimate(description, DType.BFLOAT16) == native_estimate(
        replace(description, vae_overflows=False), DType.BFLOAT16
    )
