"""LoRAs come and go on a loaded pipeline, and its own weights stay."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from sdtui.core.errors import ModelDamagedError, UnsupportedModelError
from sdtui.core.prompt_tags import LoraUse, parse_lora
from sdtui.engine.lora.active_set import LoraSet, OpenedLora
from tests.support.loras import (
    Layer,
    Trained,
    kohya,
    random_lora,
    save_lora,
    tensors_of,
    trained_layers,
    weight_of,
)

BLOCK = "mid_block.attentions.0.transformer_blocks.0"
LAYER: Layer = ("unet", f"{BLOCK}.attn1.to_q")


def _opened(file: Path, text: str = "x") -> OpenedLora:
    return OpenedLora(parse_lora(text), file, "sd1", file.stem, file.stem)


def _state(pipeline: Any) -> dict[str, torch.Tensor]:
    return {
        f"{component}.{name}": tensor.clone()
        for component in ("unet", "text_encoder")
        for name, tensor in getattr(pipeline, component).state_dict().items()
    }


def _same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def pipeline(pipelines: dict[str, Any]) -> Iterator[Any]:
    """The tiny SD 1.x model, which must have its own weights after each test."""
    pipeline = pipelines["sd1"]
    before = _state(pipeline)
    yield pipeline
    assert _same(before, _state(pipeline))


@pytest.fixture
def loras(pipelines: dict[str, Any], tmp_path: Path) -> list[Path]:
    """Five LoRAs of all layers, with values by `_values`."""
    pipeline = pipelines["sd1"]
    return [
        save_lora(
            tmp_path / f"{seed}.safetensors",
            tensors_of(pipeline, _values(pipeline, seed), alpha=2.0),
        )
        for seed in range(5)
    ]


def _values(pipeline: Any, seed: int) -> dict[Layer, Trained]:
    return random_lora(pipeline, trained_layers(pipeline, "unet", "text_encoder"), seed=seed)


def test_merged_by_hand_is_the_same_bit_for_bit(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    values = _values(pipeline, 0)
    by_hand = {}
    for layer, value in values.items():
        weight = weight_of(pipeline, layer).detach()
        change = value.up.flatten(1) @ value.down.flatten(1) * (2.0 / 4)
        by_hand[layer] = weight + (change * 0.8).reshape(weight.shape)
    active.use(pipeline, (_opened(loras[0], "x:0.8"),))
    assert all(torch.equal(weight_of(pipeline, each), by_hand[each]) for each in values)
    active.use(pipeline, ())


def test_weights_of_encoders_and_denoiser_are_apart(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    before = _state(pipeline)
    active.use(pipeline, (_opened(loras[0], "x:0:-1"),))
    changed = {
        name for name, each in _state(pipeline).items() if not torch.equal(each, before[name])
    }
    assert {name.partition(".")[0] for name in changed} == {"unet"}
    value = _values(pipeline, 0)[LAYER]
    change = weight_of(pipeline, LAYER).detach() - before[f"unet.{LAYER[1]}.weight"]
    assert torch.allclose(change, -value.change(2.0).float(), atol=1e-6)
    active.use(pipeline, ())


def test_same_lora_twice_adds_up(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    active.use(pipeline, (_opened(loras[0], "x:0.5"), _opened(loras[0], "x:0.5")))
    twice = _state(pipeline)
    active.use(pipeline, (_opened(loras[0], "x:1"),))
    once = _state(pipeline)
    assert all(torch.allclose(twice[name], once[name], atol=1e-6) for name in once)
    active.use(pipeline, ())


def test_two_hundred_switches_leave_no_trace(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    before = _state(pipeline)
    sets = [(), *((_opened(file),) for file in loras), tuple(map(_opened, loras[:3]))]
    for number in range(20):
        active.use(pipeline, sets[number * 3 % len(sets)])
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(200):
        active.use(pipeline, sets[number * 3 % len(sets)])
    active.use(pipeline, ())
    assert _same(before, _state(pipeline))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= held * 1.02


def test_same_set_changes_nothing(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    active.use(pipeline, (_opened(loras[0]),))
    version = weight_of(pipeline, LAYER)._version
    loras[0].unlink()
    active.use(pipeline, (_opened(loras[0]),))
    assert weight_of(pipeline, LAYER)._version == version
    active.use(pipeline, ())


def test_tensors_are_changed_in_place(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    place = weight_of(pipeline, LAYER).data_ptr()
    active.use(pipeline, (_opened(loras[0]),))
    assert weight_of(pipeline, LAYER).data_ptr() == place
    active.use(pipeline, ())


def test_weights_in_half_precision_are_rounded_once(
    pipelines: dict[str, Any], loras: list[Path]
) -> None:
    import copy

    pipeline = copy.deepcopy(pipelines["sd1"]).to(torch.bfloat16)
    active = LoraSet()
    weight = weight_of(pipeline, LAYER)
    before = weight.clone()
    expected = before.float() + _values(pipelines["sd1"], 0)[LAYER].change(2.0).float()
    active.use(pipeline, (_opened(loras[0]),))
    assert torch.equal(weight, expected.bfloat16())
    active.use(pipeline, ())
    assert torch.equal(weight, before)


def test_block_weights_choose_blocks(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    before = _state(pipeline)
    weights = ",".join(["0.5", *["0"] * 6, "1", *["0"] * 9])  # BASE and MID
    active.use(pipeline, (_opened(loras[0], f"x:1:lbw={weights}"),))
    changed = {
        name for name, each in _state(pipeline).items() if not torch.equal(each, before[name])
    }
    assert {name.split(".")[1] for name in changed if name.startswith("unet")} == {"mid_block"}
    assert any(name.startswith("text_encoder") for name in changed)
    active.use(pipeline, ())


def test_lora_of_another_model_is_refused_and_changes_nothing(
    pipelines: dict[str, Any], pipeline: Any, loras: list[Path], tmp_path: Path
) -> None:
    other = pipelines["sdxl"]
    values = random_lora(other, trained_layers(other, "unet"))
    file = save_lora(tmp_path / "xl.safetensors", tensors_of(other, values))
    active = LoraSet()
    active.use(pipeline, (_opened(loras[0]),))
    merged = _state(pipeline)
    with pytest.raises(
        UnsupportedModelError, match=r"the LoRA xl doesn't fit this model, which lacks \d+ of"
    ):
        active.use(pipeline, (_opened(loras[1]), _opened(file)))
    assert _same(merged, _state(pipeline))
    active.use(pipeline, ())


def test_first_of_several_encoders_is_not_the_only_one(
    pipelines: dict[str, Any], pipeline: Any, tmp_path: Path
) -> None:
    other = pipelines["sdxl"]
    values = random_lora(other, trained_layers(other, "text_encoder"))
    file = save_lora(tmp_path / "xl_te.safetensors", tensors_of(other, values))
    with pytest.raises(UnsupportedModelError, match="the LoRA xl_te doesn't fit this model"):
        LoraSet().use(pipeline, (_opened(file),))


def test_what_fits_of_a_lora_of_another_model_can_be_used(
    pipeline: Any, loras: list[Path], tmp_path: Path
) -> None:
    values = dict(list(_values(pipeline, 1).items())[:4])
    tensors = tensors_of(pipeline, values)
    tensors |= {f"lora_unet_nowhere_{name}": each.clone() for name, each in tensors.items()}
    used = (_opened(save_lora(tmp_path / "half.safetensors", tensors)),)
    active = LoraSet()
    before = _state(pipeline)
    active.use(pipeline, used, takes_parts=True)
    assert active.notices == ("4 layers of the LoRA half don't fit the model and were left out",)
    assert not _same(_state(pipeline), before)
    with pytest.raises(UnsupportedModelError, match="lacks 4 of its 8 layers"):
        active.use(pipeline, used)
    active.use(pipeline, ())
    assert _same(_state(pipeline), before)


def test_few_layers_that_the_model_lacks_are_said(pipeline: Any, tmp_path: Path) -> None:
    values = random_lora(pipeline, trained_layers(pipeline, "unet"))
    values["unet", "no.such.layer"] = Trained(torch.ones(8, 2), torch.ones(2, 8))
    file = save_lora(tmp_path / "most.safetensors", tensors_of(pipeline, values))
    active = LoraSet()
    active.use(pipeline, (_opened(file),))
    assert active.notices == ("1 layer of the LoRA most don't fit the model and were left out",)
    active.use(pipeline, ())
    assert not active.notices


def test_failure_half_way_restores_the_model(
    pipeline: Any, loras: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdtui.engine.lora import applied

    active, calls = LoraSet(), iter(range(100))
    merge = applied._sum

    def fail(*arguments: Any) -> torch.Tensor:
        if next(calls) == 10:
            raise MemoryError
        return merge(*arguments)

    before = _state(pipeline)
    monkeypatch.setattr(applied, "_sum", fail)
    with pytest.raises(MemoryError):
        active.use(pipeline, (_opened(loras[0]),))
    assert _same(before, _state(pipeline))
    active.use(pipeline, (_opened(loras[0]),))
    assert not _same(before, _state(pipeline))
    active.use(pipeline, ())


def test_missing_and_damaged_files_change_nothing(pipeline: Any, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\x10" + bytes(30))
    with pytest.raises(ModelDamagedError):
        LoraSet().use(pipeline, (_opened(damaged),))


class _Quantized(torch.nn.Linear):
    """A linear layer that keeps its weight in whole numbers."""

    def __init__(self, whole: torch.nn.Linear) -> None:
        super().__init__(whole.in_features, whole.out_features, whole.bias is not None)
        self.scale = whole.weight.detach().abs().max() / 127
        rounded = (whole.weight.detach() / self.scale).round().to(torch.int8)
        self.weight = torch.nn.Parameter(rounded, requires_grad=False)
        self.bias = whole.bias

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functional.linear(input, self.weight.float() * self.scale, self.bias)


@pytest.mark.parametrize("is_decomposed", [False, True])
def test_quantized_layers_get_a_side_branch(
    pipelines: dict[str, Any], tmp_path: Path, is_decomposed: bool
) -> None:
    import copy

    pipeline = copy.deepcopy(pipelines["sd1"])
    parent = pipeline.unet.get_submodule(f"{BLOCK}.attn1")
    layer = parent.to_q = _Quantized(parent.to_q)
    value = random_lora(pipeline, [LAYER])[LAYER]
    tensors = tensors_of(pipeline, {LAYER: value})
    dense = layer.weight.float() * layer.scale
    changed = dense + value.change().float() * 0.5
    if is_decomposed:
        magnitude = torch.rand(len(dense), 1) + 0.5
        tensors[f"{kohya(pipeline, LAYER)}.dora_scale"] = magnitude
        whole = dense + value.change().float()
        whole = whole * magnitude / whole.norm(dim=1, keepdim=True)
        changed = dense + (whole - dense) * 0.5
    file = save_lora(tmp_path / "a.safetensors", tensors)
    inputs = torch.randn(3, layer.in_features)
    before, active = layer(inputs), LoraSet()
    active.use(pipeline, (_opened(file, "x:0.5"),))
    expected = functional.linear(inputs, changed, layer.bias)
    assert torch.allclose(layer(inputs), expected, atol=1e-5)
    active.use(pipeline, ())
    assert torch.equal(layer(inputs), before)


def test_weights_in_fp8_get_a_side_branch(pipelines: dict[str, Any], loras: list[Path]) -> None:
    import copy

    unet = copy.deepcopy(pipelines["sd1"].unet)
    unet.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)

    class Pipeline:
        text_encoder = copy.deepcopy(pipelines["sd1"].text_encoder)

    pipeline: Any = Pipeline()
    pipeline.unet = unet
    inputs = torch.randn(1, 4, 8, 8), torch.tensor([1]), torch.randn(1, 77, 32)
    with torch.no_grad():
        before = unet(*inputs).sample
        active = LoraSet()
        active.use(pipeline, (_opened(loras[0]),))
        with_lora = unet(*inputs).sample
        active.use(pipeline, ())
        assert torch.equal(unet(*inputs).sample, before)
    assert not torch.allclose(before, with_lora, atol=1e-3)


def test_rank_can_be_limited(pipeline: Any, loras: list[Path]) -> None:
    active = LoraSet()
    before = weight_of(pipeline, LAYER).detach().clone()
    active.use(pipeline, (OpenedLora(LoraUse("x", rank=1), loras[0], None, "", ""),))
    value = _values(pipeline, 0)[LAYER]
    expected = value.up[:, :1] @ value.down[:1] * (2.0 / 4)
    assert torch.allclose(weight_of(pipeline, LAYER) - before, expected, atol=1e-6)
    active.use(pipeline, ())
