"""Settings out of ComfyUI's workflows as the editor saves them, without the graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL.PngImagePlugin import PngInfo

from sdtui.core.errors import ImageError
from sdtui.history.importers import read_picture_settings
from tests.support.records import picture

Inputs = dict[str, tuple[str, int | None]]


def node(
    key: int, kind: str, inputs: Inputs | None = None, widgets: object = None, mode: int = 0
) -> dict[str, Any]:
    return {
        **{"id": key, "type": kind, "pos": [0, 0], "flags": {}, "order": key, "mode": mode},
        "inputs": [
            {"name": name, "type": kind_of, "link": link}
            for name, (kind_of, link) in (inputs or {}).items()
        ],
        **{"outputs": [], "properties": {}, "widgets_values": widgets or []},
    }


def nodes(positive: int = 6, mode: int = 0) -> list[dict[str, Any]]:
    """A workflow with a LoRA, whose sampler takes its positive side from a link."""
    sampler: Inputs = {
        **{"model": ("MODEL", 5), "positive": ("CONDITIONING", positive)},
        **{"negative": ("CONDITIONING", 7), "latent_image": ("LATENT", 8)},
    }
    return [
        node(1, "CheckpointLoaderSimple", widgets=["base.safetensors"]),
        node(10, "LoraLoader", {"model": ("MODEL", 1), "clip": ("CLIP", 2)}, ["l", 1, 1], mode),
        node(2, "CLIPTextEncode", {"clip": ("CLIP", 3)}, ["a fox"]),
        node(3, "CLIPTextEncode", {"clip": ("CLIP", 4)}, ["blurry"]),
        node(4, "EmptyLatentImage", widgets=[512, 768, 1]),
        node(5, "KSampler", sampler, [7, "randomize", 20, 8.0, "euler", "normal", 1]),
        node(6, "VAEDecode", {"samples": ("LATENT", 9), "vae": ("VAE", 10)}),
        node(7, "SaveImage", {"images": ("IMAGE", 11)}, ["ComfyUI"]),
    ]


LINKS: list[list[Any]] = [
    *([1, 1, 0, 10, 0, "MODEL"], [2, 1, 1, 10, 1, "CLIP"], [3, 10, 1, 2, 0, "CLIP"]),
    *([4, 10, 1, 3, 0, "CLIP"], [5, 10, 0, 5, 0, "MODEL"], [6, 2, 0, 5, 1, "CONDITIONING"]),
    *([7, 3, 0, 5, 2, "CONDITIONING"], [8, 4, 0, 5, 3, "LATENT"], [9, 5, 0, 6, 0, "LATENT"]),
    *([10, 1, 2, 6, 1, "VAE"], [11, 6, 0, 7, 0, "IMAGE"]),
]
COMBINE: Inputs = {
    "conditioning_1": ("CONDITIONING", 6),
    "conditioning_2": ("CONDITIONING", 20),
}


def png(folder: Path, workflow: dict[str, Any]) -> Path:
    info = PngInfo()
    info.add_text("workflow", json.dumps({"version": 0.4, "groups": [], **workflow}))
    picture().save(folder / "a.png", pnginfo=info)
    return folder / "a.png"


@pytest.mark.parametrize(
    ("more", "links", "positive", "mode"),
    [
        ([], [], 6, 0),
        ([], [], 6, 4),
        ([node(40, "Reroute", {"": ("*", 6)})], [[30, 40, 0, 5, 1, "CONDITIONING"]], 30, 0),
        (
            [
                node(40, "SetNode", {"CONDITIONING": ("CONDITIONING", 6)}, ["positive"]),
                node(41, "GetNode", widgets=["positive"]),
            ],
            [[30, 41, 0, 5, 1, "CONDITIONING"]],
            30,
            0,
        ),
        (
            [
                node(20, "ConditioningCombine", COMBINE, mode=4),
                node(21, "CLIPTextEncode", {"clip": ("CLIP", 3)}, ["a muted wolf"], mode=2),
            ],
            [[20, 21, 0, 20, 1, "CONDITIONING"], [30, 20, 0, 5, 1, "CONDITIONING"]],
            30,
            4,
        ),
    ],
    ids=["plain", "bypassed LoRA", "reroute", "by name", "bypassed and muted"],
)
def test_workflow_is_read_through_nodes_that_pass_on(
    tmp_path: Path, more: list[Any], links: list[Any], positive: int, mode: int
) -> None:
    workflow = {"nodes": [*nodes(positive, mode), *more], "links": [*LINKS, *links]}
    found = read_picture_settings(png(tmp_path, workflow))
    assert found.values == {
        **{"prompt": "a fox", "negative_prompt": "blurry", "model": "base.safetensors"},
        **{"seed": 7, "num_inference_steps": 20, "guidance_scale": 8.0, "sampler": "Euler"},
        **{"width": 512, "height": 768},
    }
    assert any("LoraLoader" in each for each in found.not_carried) == (mode == 0)


@pytest.mark.parametrize(
    "change",
    [
        {"links": [[30, 40, 0, 40, 0, "CONDITIONING"]]},
        {"links": [[30, [1], {}, 5, 1, "CONDITIONING"], [None], 5, [[30], 2, 0]]},
        {"nodes": [node(40, "GetNode", widgets=[{"a": 1}]), 7, {"id": {}, "inputs": [{}, 5]}]},
    ],
)
def test_damaged_workflow_does_no_harm(tmp_path: Path, change: dict[str, list[Any]]) -> None:
    loop = node(40, "ConditioningCombine", {"conditioning_1": ("CONDITIONING", 30)}, mode=4)
    workflow = {
        "nodes": [*nodes(30), loop, *change.get("nodes", [])],
        "links": [*LINKS, *change.get("links", [])],
    }
    assert "prompt" not in read_picture_settings(png(tmp_path, workflow)).values
    with pytest.raises(ImageError):
        read_picture_settings(png(tmp_path, change))
