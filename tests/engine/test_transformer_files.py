"""Transformers from files of their own, with the other parts of a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from sdtui.core.enums import DType, Quantize
from sdtui.core.errors import ModelDamagedError
from sdtui.core.settings import Settings
from sdtui.engine.quantized.layers import QuantizedLayer, is_quantized
from sdtui.engine.stages.load import load_component
from sdtui.models import describe_model
from tests.support.flux_transformer import flux_output, make_flux_transformer
from tests.support.tiny_other_families import make_flux
from tests.support.tiny_transformers import make_z_image
from tests.support.transformer_files import (
    tensors_of,
    with_z_image_names,
    write_float8,
    write_gguf,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Flux model whose transformer is a little larger."""
    folder = make_flux(tmp_path_factory.mktemp("base") / "flux")
    make_flux_transformer().save_pretrained(folder / "transformer")
    return folder


@pytest.fixture(scope="module")
def tensors(base: Path) -> Mapping[str, torch.Tensor]:
    return tensors_of(base)


def load(path: Path, base: Path, quantize: Quantize = Quantize.NONE) -> Any:
    """The transformer of a file."""
    description = describe_model(path, Settings(base_models=(base,)))
    return load_component(description, "transformer", torch.float32, quantize=quantize)


def error_of(module: Any) -> float:
    exact = flux_output(make_flux_transformer())
    return float((flux_output(module) - exact).norm() / exact.norm())


@pytest.mark.parametrize(("kind", "error"), [("Q8_0", 0.004), ("Q4_0", 0.07), ("BF16", 0.0015)])
def test_gguf_file_has_the_error_of_its_format(
    base: Path, tensors: Mapping[str, torch.Tensor], tmp_path: Path, kind: str, error: float
) -> None:
    module = load(write_gguf(tmp_path / "flux.gguf", tensors, kind), base)
    assert is_quantized(module)
    assert error_of(module) == pytest.approx(error, rel=1 / 3)


@pytest.mark.parametrize("scaled", [False, True])
def test_fp8_file_stays_in_fp8(
    base: Path, tensors: Mapping[str, torch.Tensor], tmp_path: Path, scaled: bool
) -> None:
    path = write_float8(tmp_path / "flux.safetensors", tensors, scaled=scaled)
    module = load(path, base)
    assert isinstance(module.transformer_blocks[0].attn.to_q, QuantizedLayer)
    held = sum(each.nbytes for each in module.parameters())
    description = describe_model(path, Settings(base_models=(base,)))
    assert held == pytest.approx(description.stored["transformer"], rel=0.1)
    assert error_of(module) == pytest.approx(0.03, rel=1 / 3)


def test_fp8_file_gives_what_its_numbers_stand_for(
    base: Path, tensors: Mapping[str, torch.Tensor], tmp_path: Path
) -> None:
    wide = write_float8(tmp_path / "wide.safetensors", tensors, dtype=torch.float8_e5m2)
    layer = load(wide, base).transformer_blocks[0].attn.to_q
    expected = tensors["transformer_blocks.0.attn.to_q.weight"].to(torch.float8_e5m2).float()
    assert torch.equal(layer.weight, expected)


def test_scales_and_formats_follow_their_weights_through_the_conversion(tmp_path: Path) -> None:
    folder = tmp_path / "z"
    make_z_image().save_pretrained(folder)
    tensors = tensors_of(folder)
    renamed = with_z_image_names(tensors)
    for path in (
        write_float8(tmp_path / "z.safetensors", renamed, scaled=True),
        write_gguf(tmp_path / "z.gguf", renamed, "Q8_0"),
    ):
        layers = {
            name: layer
            for name, layer in load(path, folder).named_modules()
            if isinstance(layer, QuantizedLayer)
        }
        assert "layers.0.attention.to_k" in layers
        for name, layer in layers.items():
            expected = tensors[f"{name}.weight"]
            assert torch.allclose(layer.weight, expected, rtol=1 / 14, atol=1e-3)


def test_plain_file_is_the_same_model_and_can_be_quantized(
    base: Path, tensors: Mapping[str, torch.Tensor], tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "flux.safetensors"
    save_file(dict(tensors), path)
    assert error_of(load(path, base)) < 1e-6
    assert is_quantized(load(path, base, Quantize.INT8))


def test_missing_tensors_are_named(
    base: Path, tensors: Mapping[str, torch.Tensor], tmp_path: Path
) -> None:
    lacking = {name: each for name, each in tensors.items() if "proj_mlp.bias" not in name}
    for path in (
        write_float8(tmp_path / "flux.safetensors", lacking),
        write_gguf(tmp_path / "flux.gguf", lacking, "Q8_0"),
    ):
        with pytest.raises(ModelDamagedError, match="lacks"):
            load(path, base)


def test_description_has_the_base_of_the_other_parts(
    base: Path, tensors: Mapping[str, torch.Tensor], tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "flux1-dev-Q4_0.gguf", tensors, "Q4_0")
    described = describe_model(path, Settings(base_models=(base,)))
    plain = describe_model(base)
    assert (described.path, described.configs) == (path, base)
    assert described.pipeline_class == "FluxPipeline"
    assert described.weight_format == "Q4_0"
    assert described.parameters == plain.parameters
    assert described.stored["transformer"] == pytest.approx(path.stat().st_size, rel=0.02)
    assert described.dtype_of("vae", DType.BFLOAT16) is DType.BFLOAT16
