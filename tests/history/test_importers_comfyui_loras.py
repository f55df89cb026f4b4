"""LoRAs in ComfyUI's graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.comfyui_graphs import graph, node, read, sampler

LOADED = {"model": ["model", 0], "clip": ["model", 1]}


def _loader(name: str, unet: object, clip: object, **links: Any) -> dict[str, Any]:
    strengths = {"strength_model": unet, "strength_clip": clip}
    return node("LoraLoader", lora_name=name, **strengths, **{**LOADED, **links})


def _power(**loras: object) -> dict[str, Any]:
    return node("Power Lora Loader (rgthree)", **loras, **LOADED)


def _on(name: str, strength: object, **more: object) -> dict[str, object]:
    return {"on": True, "lora": name, "strength": strength, **more}


OFF = {**_on("off:.safetensors", 1), "on": False}


@pytest.mark.parametrize(
    ("loader", "loras"),
    [
        (_loader("style\\ink.safetensors", 0.5, 0.8), ("ink:0.8:0.5",)),
        (_loader("ink.safetensors", -1, -1), ("ink:-1",)),
        (_loader("ink.safetensors", 1, 1), ("ink",)),
        (_loader("ink.safetensors", 0, 0), None),
        (_loader("ink.safetensors", ["half", 0], 1), ("ink:1:0.5",)),
        (_power(a=_on("a.safetensors", 0.5), b=_on("b.safetensors", 1)), ("a:0.5", "b")),
        (_power(a=_on("a.safetensors", 0.5, strengthTwo=0.2), b=OFF), ("a:0.2:0.5",)),
        (_power(a=OFF), None),
    ],
)
def test_loras_are_taken_over_with_their_strengths(
    tmp_path: Path, loader: dict[str, Any], loras: tuple[str, ...] | None
) -> None:
    fox = node("CLIPTextEncode", text="a fox, embedding:easy", clip=["lora", 1])
    half = node("PrimitiveFloat", value=0.5)
    nodes = graph(lora=loader, fox=fox, half=half, sampler=sampler(model=["lora", 0]))
    found = read(tmp_path, nodes)
    assert found.values.get("loras") == loras
    assert found.values["prompt"] == "a fox, embedding:easy"
    assert not any("lora" in each.lower() for each in found.not_carried)


def test_loras_behind_each_other_keep_their_order(tmp_path: Path) -> None:
    alone = node("LoraLoaderModelOnly", lora_name="a.safetensors", strength_model=0.5)
    first = {**alone, "inputs": {**alone["inputs"], "model": ["model", 0]}}
    second = _loader("b.safetensors", 1, 1, model=["first", 0])
    nodes = graph(first=first, second=second, sampler=sampler(model=["second", 0]))
    assert read(tmp_path, nodes).values["loras"] == ("a:0:0.5", "b:0:1")


@pytest.mark.parametrize(
    "loader",
    [
        _loader("film:x.safetensors", 1, 1),
        _loader("ink.safetensors", float("nan"), 1),
        _loader("ink.safetensors", "much", 1),
        _power(a=_on("a.safetensors", "much")),
    ],
)
def test_lora_that_cannot_be_taken_over_is_named(tmp_path: Path, loader: dict[str, Any]) -> None:
    found = read(tmp_path, graph(lora=loader, sampler=sampler(model=["lora", 0])))
    assert "loras" not in found.values
    assert any(loader["class_type"] in each for each in found.not_carried)
