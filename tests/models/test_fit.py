"""Which models fit into which memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.enums import DType, MemoryMode
from sdtui.models import (
    MemoryBudget,
    ModelDescription,
    ModelFit,
    NativeValues,
    describe_model,
    estimate_run,
    model_fit,
    native_estimate,
    native_size,
    precision,
    recommend_download,
)
from sdtui.models.fit import LARGE_MODELS
from tests.support.model_files import folder, safetensors

GIB = 2**30
SD1 = LARGE_MODELS["stable-diffusion-v1-5/stable-diffusion-v1-5"]
SDXL = LARGE_MODELS["stabilityai/stable-diffusion-xl-base-1.0"]


@pytest.mark.parametrize(
    ("description", "free", "mode", "fits"),
    [
        (SD1, 4, MemoryMode.FULL, True),
        (SDXL, 24, MemoryMode.FULL, True),
        (SDXL, 8, MemoryMode.MODEL_OFFLOAD, True),
        (SDXL, 2, MemoryMode.SEQUENTIAL_OFFLOAD, False),
    ],
)
def test_model_takes_the_fastest_mode_that_fits_a_gpu(
    description: ModelDescription, free: int, mode: MemoryMode, fits: bool
) -> None:
    budget = MemoryBudget(on_gpu=True, free=free * GIB, total=24 * GIB)
    need = model_fit(description, budget, budget.free)
    assert (need.mode, need.fits) == (mode, fits)


@pytest.mark.parametrize(("native", "dtype"), [(False, DType.FLOAT32), (True, DType.BFLOAT16)])
def test_cpu_keeps_all_or_a_part_in_memory_in_its_own_precision(
    native: bool, dtype: DType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "cpu_computes_bfloat16", lambda: native)
    cpu = MemoryBudget(on_gpu=False, free=64 * GIB, total=64 * GIB)
    expected = native_estimate(SD1, dtype, on_cpu=True)
    assert model_fit(SD1, cpu, cpu.free).bytes == expected.peaks[MemoryMode.FULL]
    on_gpu = native_estimate(SD1, dtype)
    assert expected.weights == on_gpu.weights
    assert expected.decode < on_gpu.decode
    assert model_fit(SDXL, cpu, GIB) == ModelFit(
        MemoryMode.PARTS, model_fit(SDXL, cpu, 0).bytes, False
    )


@pytest.mark.parametrize(
    ("on_gpu", "gibibytes", "expected"),
    [
        (True, 24, ("stable-diffusion-xl", "of 24.0 GiB VRAM")),
        (True, 8, ("stable-diffusion-xl", "in parts")),
        (True, 4, ("stable-diffusion-v1-5", "of 4.0 GiB VRAM")),
        (False, 64, ("stable-diffusion-v1-5", "minutes a picture")),
        (False, 2, ("stable-diffusion-v1-5", "too little")),
    ],
)
def test_largest_model_that_fits_is_recommended(
    on_gpu: bool, gibibytes: int, expected: tuple[str, str]
) -> None:
    name, fits = recommend_download(MemoryBudget(on_gpu, 0, gibibytes * GIB))
    assert expected[0] in name
    assert expected[1] in fits


@pytest.mark.parametrize(("guidance_scale", "guidance"), [(None, True), (7.5, True), (1.0, False)])
def test_native_estimate_doubles_the_batch_unless_the_model_has_no_guidance(
    guidance_scale: float | None, guidance: bool
) -> None:
    native = NativeValues(width=512, height=768, guidance_scale=guidance_scale)
    description = replace(SD1, native=native)
    expected = estimate_run(description, DType.FLOAT16, 512, 768, guidance=guidance)
    assert native_estimate(description, DType.FLOAT16) == expected


def test_unknown_native_size_is_512_pixels() -> None:
    assert native_size(replace(SD1, native=NativeValues())) == (512, 512)


def test_added_weights_count_with_the_denoiser() -> None:
    plain = native_estimate(SD1, DType.FLOAT16)
    more = native_estimate(SD1, DType.FLOAT16, added=GIB)
    assert more.weights == plain.weights + GIB
    for mode in (MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD):
        assert more.peaks[mode] - plain.peaks[mode] == pytest.approx(1.1 * GIB, rel=0.01)


@pytest.mark.parametrize(
    ("pipeline", "denoiser", "more", "guided_at"),
    [
        ("FluxPipeline", {"guidance_embeds": True}, {}, []),
        ("FluxPipeline", {"guidance_embeds": False}, {}, []),
        ("Flux2Pipeline", {}, {}, []),
        ("Flux2KleinPipeline", {"guidance_embeds": False}, {"is_distilled": True}, []),
        ("Flux2KleinPipeline", {"guidance_embeds": False}, {"is_distilled": False}, [4.0]),
        ("HunyuanImagePipeline", {"guidance_embeds": True}, {}, []),
        ("LatentConsistencyModelPipeline", {"time_cond_proj_dim": 256}, {}, []),
        ("ChromaPipeline", {}, {}, [4.0]),
        ("StableDiffusion3Pipeline", {}, {}, [4.0]),
        ("ZImagePipeline", {}, {}, [0.5, 1.0, 4.0]),
        ("Krea2Pipeline", {}, {}, [0.5, 1.0, 4.0]),
    ],
)
def test_batch_is_doubled_only_where_a_pipeline_guides(
    tmp_path: Path,
    pipeline: str,
    denoiser: dict[str, Any],
    more: dict[str, Any],
    guided_at: list[float],
) -> None:
    index = {"_class_name": pipeline, "transformer": ["diffusers", "X"], **more}
    place = folder(tmp_path, index, {"transformer/config.json": denoiser})
    safetensors(place / "transformer" / "model.safetensors", {"a": (3,)})
    description = describe_model(place)
    guided = [scale for scale in (0.0, 0.5, 1.0, 4.0) if description.uses_cfg(scale)]
    assert guided == guided_at
    estimate = native_estimate(replace(description, native=NativeValues()), DType.FLOAT16)
    expected = estimate_run(description, DType.FLOAT16, 512, 512, guidance=bool(guided_at))
    assert estimate == expected
