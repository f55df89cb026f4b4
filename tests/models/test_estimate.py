"""The memory that a run will need, and the mode that it is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.models import Estimate, ModelDescription, NativeValues, estimate_run, fastest_mode
from sdtui.models.estimate import MARGIN
from sdtui.models.pipeline_traits import traits_of
from sdtui.models.weights import component_bytes

GIB = 2**30


def model(tiny_vae: bool = False) -> ModelDescription:
    """SD 1.5, as far as an estimate goes."""
    return ModelDescription(
        path=Path("m"),
        family="sd1",
        pipeline_class="StableDiffusionPipeline",
        parameters={"unet": 860_000_000, "vae": 84_000_000, "text_encoder": 123_000_000},
        native=NativeValues(),
        tiny_vae=tiny_vae,
    )


def estimate(
    width: int = 512, height: int = 512, batch: int = 1, dtype: DType = DType.FLOAT16
) -> Estimate:
    """Of a run with SD 1.5."""
    return estimate_run(model(), dtype, width, height, batch)


def test_estimate_of_sd1_has_the_right_magnitude() -> None:
    run = estimate()
    assert run.weights == 2 * 1_067_000_000
    assert 2 * GIB < run.peaks[MemoryMode.FULL] < 5 * GIB


def test_larger_pictures_need_no_less() -> None:
    sides = range(64, 2049, 64)
    for mode in (MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD, MemoryMode.SEQUENTIAL_OFFLOAD):
        peaks = [estimate(side, side).peaks[mode] for side in sides]
        assert peaks == sorted(peaks)
        assert peaks[-1] > peaks[0]
        batches = [estimate(batch=batch).peaks[mode] for batch in (1, 2, 4, 16, 64)]
        assert batches == sorted(batches)
        assert len(set(batches)) == len(batches)


def test_leaner_modes_need_no_more() -> None:
    for side in (64, 512, 2048):
        peaks = estimate(side, side).peaks
        assert peaks[MemoryMode.FULL] > peaks[MemoryMode.MODEL_OFFLOAD]
        assert peaks[MemoryMode.MODEL_OFFLOAD] > peaks[MemoryMode.SEQUENTIAL_OFFLOAD]


def test_float32_needs_twice_the_memory() -> None:
    assert estimate(dtype=DType.FLOAT32).weights == 2 * estimate().weights
    assert estimate(dtype=DType.BFLOAT16) == estimate()


def test_guidance_tiling_and_tiny_vae_change_the_estimate() -> None:
    with_guidance = estimate_run(model(), DType.FLOAT16, 512, 512)
    without = estimate_run(model(), DType.FLOAT16, 512, 512, guidance=False)
    assert with_guidance.denoise == 2 * without.denoise
    tiled = estimate_run(model(), DType.FLOAT16, 2048, 2048, 4, tile=512)
    assert tiled.decode == estimate(512, 512).decode
    assert estimate_run(model(True), DType.FLOAT16, 512, 512).decode < without.decode


@pytest.mark.parametrize(
    ("free", "mode"),
    [
        (1000, MemoryMode.FULL),
        (999, MemoryMode.MODEL_OFFLOAD),
        (500, MemoryMode.MODEL_OFFLOAD),
        (499, MemoryMode.GROUP_OFFLOAD),
        (100, MemoryMode.GROUP_OFFLOAD),
        (99, MemoryMode.SEQUENTIAL_OFFLOAD),
        (0, MemoryMode.SEQUENTIAL_OFFLOAD),
    ],
)
def test_fastest_mode_that_fits_is_chosen(free: int, mode: MemoryMode) -> None:
    peaks = {
        MemoryMode.FULL: 1000,
        MemoryMode.MODEL_OFFLOAD: 500,
        MemoryMode.GROUP_OFFLOAD: 100,
        MemoryMode.SEQUENTIAL_OFFLOAD: 100,
    }
    run = Estimate(0, 0, 0, 0, peaks)
    assert fastest_mode(run, free) is mode
    assert fastest_mode(run, free, [MemoryMode.FULL]) is MemoryMode.FULL


def test_quantized_weights_of_the_denoiser_and_large_encoders_are_counted() -> None:
    large = replace(
        model(),
        parameters={"transformer": 100, "vae": 10, "text_encoder": 10, "text_encoder_2": 2 * 10**9},
        in_blocks={"transformer": 80},
    )
    sizes = {
        name: component_bytes(large, name, DType.BFLOAT16, Quantize.INT8)
        for name in large.parameters
    }
    assert sizes == {
        "transformer": 80 + 2 * 20,
        "vae": 20,
        "text_encoder": 20,
        "text_encoder_2": 2_004_000_000,
    }
    in_its_own = replace(large, stored={"transformer": 55})
    assert component_bytes(in_its_own, "transformer", DType.FLOAT32, Quantize.NF4) == 55


_MIB = 2**20


@pytest.mark.parametrize(
    ("pipeline_class", "width", "side", "measured"),
    [
        # MiB of the process in a pass in bf16 with one or two layers, by
        # tests/benchmarks/calibrate_families.py --measured.
        ("FluxPipeline", 3072, 768, 373),
        ("Flux2KleinPipeline", 3072, 768, 434),
        ("StableDiffusion3Pipeline", 2432, 768, 398),
        ("QwenImagePipeline", 3072, 768, 284),
        ("PixArtSigmaPipeline", 1152, 768, 189),
        ("AuraFlowPipeline", 3072, 512, 266),
        ("ChromaPipeline", 3072, 512, 266),
        ("ZImagePipeline", 3840, 512, 670),
        ("Krea2Pipeline", 6144, 512, 424),
        ("CogView4Pipeline", 4096, 512, 255),
    ],
)
def test_pass_of_a_transformer_is_estimated_as_it_was_measured(
    pipeline_class: str, width: int, side: int, measured: int
) -> None:
    traits = traits_of(pipeline_class)
    transformer = replace(
        model(),
        pipeline_class=pipeline_class,
        traits=traits,
        denoiser_channels=width,
        components={"transformer": ("diffusers", "Any")},
    )
    guided = traits.guides(4.0)
    run = estimate_run(transformer, DType.BFLOAT16, side, side, guidance=guided, on_cpu=True)
    assert run.denoise * MARGIN == pytest.approx(measured * _MIB, rel=0.2)


def test_guidance_in_two_passes_needs_no_more() -> None:
    chroma = replace(
        model(),
        pipeline_class="ChromaPipeline",
        traits=traits_of("ChromaPipeline"),
        components={"transformer": ("diffusers", "ChromaTransformer2DModel")},
    )
    with_guidance, without = (
        estimate_run(chroma, DType.BFLOAT16, 512, 512, guidance=guidance).denoise
        for guidance in (True, False)
    )
    assert with_guidance == without
