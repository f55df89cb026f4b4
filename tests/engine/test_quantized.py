"""Weights in fewer bits."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from sdtui.core.enums import DType, Quantize
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.quantized.formats import FORMATS
from sdtui.engine.quantized.layers import QuantizedLayer, is_quantized, quantize_model
from sdtui.models.weights import QUANTIZED_BYTES, is_in_blocks
from sdtui.requests.request import GenerationRequest
from tests.support.flux_transformer import flux_output, make_flux_transformer

EIGHT_BITS = (Quantize.FP8, Quantize.INT8)


@pytest.fixture(scope="module")
def flux() -> Any:
    """A Flux transformer of one block of each kind."""
    return make_flux_transformer()


def relative_error(model: Any, exact: torch.Tensor) -> float:
    return float((flux_output(model) - exact).norm() / exact.norm())


@pytest.mark.parametrize(
    ("quantize", "largest"),
    [(Quantize.INT8, 0.0004), (Quantize.FP8, 0.0025), (Quantize.NF4, 0.009)],
)
def test_error_of_a_tiny_flux_is_small(flux: Any, quantize: Quantize, largest: float) -> None:
    exact = flux_output(flux)
    model = deepcopy(flux)
    quantize_model(model, quantize)
    assert largest / 2 < relative_error(model, exact) < largest


def test_weights_take_as_many_bytes_as_estimated(flux: Any) -> None:
    for quantize, size in QUANTIZED_BYTES.items():
        model = deepcopy(flux)
        quantize_model(model, quantize)
        layers = [each for each in model.modules() if isinstance(each, QuantizedLayer)]
        weights = sum(each.weight_shape.numel() for each in layers)
        held = sum(each.values.nbytes + each.scales.nbytes for each in layers)
        assert held == pytest.approx(weights * size, rel=0.02)


def test_layers_outside_of_the_blocks_keep_their_weights(flux: Any) -> None:
    model = deepcopy(flux)
    quantize_model(model, Quantize.INT8)
    kept = {name for name, each in model.named_modules() if type(each) is torch.nn.Linear}
    assert {"x_embedder", "proj_out", "context_embedder"} < kept
    assert not any(is_in_blocks(name) for name in kept)
    assert not is_in_blocks("t_embedder.mlp.0")
    assert model.dtype == torch.float32
    assert is_quantized(model)
    assert not is_quantized(flux)


def test_rows_of_zeros_stay_zeros() -> None:
    for each in FORMATS.values():
        packed = each.pack(torch.zeros(2, 64))
        assert not each.unpack(packed, torch.float32).any()


def test_convolutions_are_quantized_too() -> None:
    torch.manual_seed(0)
    unet: Any = UNet2DConditionModel(
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        mid_block_type=None,
        norm_num_groups=8,
    )
    unet.eval()
    inputs = (torch.randn(1, 4, 8, 8), 5, torch.zeros(1, 2, 1280))
    with torch.no_grad():
        exact = unet(*inputs).sample
        quantize_model(unet, Quantize.INT8)
        found = unet(*inputs).sample
    assert not any(type(each) is torch.nn.Conv2d for each in unet.down_blocks.modules())
    assert 0 < float((found - exact).norm() / exact.norm()) < 0.02


@pytest.fixture(scope="module")
def loaded(tiny_sdxl: Any) -> Iterator[StableDiffusionEngine]:
    """An engine with a tiny model in int8."""
    with StableDiffusionEngine() as engine:
        engine.load(str(tiny_sdxl), DType.FLOAT32, quantize=Quantize.INT8)
        yield engine


def test_run_uses_and_records_quantized_weights(
    loaded: StableDiffusionEngine, tiny_sdxl: Any
) -> None:
    assert loaded.loaded is not None
    assert is_quantized(loaded.loaded.denoiser)
    assert not is_quantized(loaded.loaded.pipeline.text_encoder)  # it is small
    before = loaded.loaded
    values = {"prompt": "a", "model": str(tiny_sdxl), "seed": 1, "num_inference_steps": 2}
    size = {"width": 64, "height": 64, "dtype": "float32"}
    result = generate(loaded, GenerationRequest.parse({**values, **size, "quantize": "int8"}))
    assert loaded.loaded is before
    assert result.record.quantize is Quantize.INT8
    plain = generate(loaded, GenerationRequest.parse({**values, **size}))
    assert loaded.loaded is not before
    assert plain.record.quantize is Quantize.NONE
    assert plain.images[0].tobytes() != result.images[0].tobytes()
