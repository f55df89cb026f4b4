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
        **({"loras": ("l",)} if mode == 0 else {}),
    }
    assert not any("LoraLoader" in each for each in found.not_carried)


def test_power_lora_loader_is_read_without_a_graph(tmp_path: Path) -> None:
    on = {"on": True, "lora": "style\\ink.safetensors", "strength": 0.5, "strengthTwo": None}
    off = {**on, "lora": "off.safetensors", "on": False}
    widgets = [{}, {"type": "PowerLoraLoaderHeaderWidget"}, on, off, {}, ""]
    loader: Inputs = {"model": ("MODEL", 1), "clip": ("CLIP", 2)}
    power = node(10, "Power Lora Loader (rgthree)", loader, widgets)
    workflow = {"nodes": [power if each["id"] == 10 else each for each in nodes()], "links": LINKS}
    found = read_picture_settings(png(tmp_path, workflow))
    assert found.values["loras"] == ("ink:0.5",)
    assert not any("Lora" in each for each in found.not_carried)


def subgraph(name: str, inner: list[dict[str, Any]]) -> dict[str, Any]:
    """A subgraph that takes a model and a text and gives a latent."""
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    ends: list[list[Any]] = [
        *([1, -10, 0, 10, 0, "MODEL"], [12, -10, 1, 2, 1, "STRING"], [9, 5, 0, -20, 0, "LATENT"]),
        *(link for link in LINKS if link[0] not in (1, 9, 10, 11)),
    ]
    return {
        **{"id": name, "version": 1, "name": "Sampling", "nodes": inner},
        "inputs": [{"name": "model", "type": "MODEL"}, {"name": "text", "type": "STRING"}],
        "outputs": [{"name": "LATENT", "type": "LATENT"}],
        "links": [dict(zip(names, link, strict=True)) for link in ends],
    }


@pytest.mark.parametrize("given", ["typed", "linked", "nested"])
def test_subgraph_is_read_with_what_is_given_to_it(tmp_path: Path, given: str) -> None:
    inner = nodes()[1:6]
    inner[1]["inputs"].append(
        {"name": "text", "type": "STRING", "link": 12, "widget": {"name": "text"}}
    )
    inner[1]["widgets_values"] = ["the text of the subgraph"]
    outer: list[list[Any]] = [
        *([1, 1, 0, 50, 0, "MODEL"], [9, 50, 0, 6, 0, "LATENT"], [10, 1, 2, 6, 1, "VAE"]),
        *([11, 6, 0, 7, 0, "IMAGE"], [12, 51, 0, 50, 1, "STRING"]),
    ]
    instance = node(50, "sub", {"model": ("MODEL", 1)}, ["a fox"])
    text = {"name": "text", "type": "STRING", "link": None, "widget": {"name": "text"}}
    instance["inputs"].append({**text, "link": 12} if given == "linked" else text)
    if given == "linked":
        instance["widgets_values"] = ["an older text"]
    subgraphs = [subgraph("sub", inner)]
    if given == "nested":
        middle = node(60, "sub", {"model": ("MODEL", 1)}, [""])
        middle["inputs"].append({**text, "link": 12})
        instance["type"] = "middle"
        ends = [[1, -10, 0, 60, 0, "MODEL"], [12, -10, 1, 60, 1, "STRING"]]
        subgraphs.append(
            {**subgraph("middle", [middle]), "links": [*ends, [9, 60, 0, -20, 0, "LATENT"]]}
        )
    shown = [nodes()[0], instance, *nodes()[6:], node(51, "PrimitiveNode", widgets=["a fox"])]
    workflow = {"nodes": shown, "links": outer, "definitions": {"subgraphs": subgraphs}}
    found = read_picture_settings(png(tmp_path, workflow))
    assert (found.values["prompt"], found.values["negative_prompt"]) == ("a fox", "blurry")
    assert (found.values["model"], found.values["seed"]) == ("base.safetensors", 7)
    assert (found.values["width"], found.values["height"]) == (512, 768)


def test_subgraphs_inside_themselves_are_given_up(tmp_path: Path) -> None:
    again = [node(key, "sub") for key in range(100)]
    definitions = {"subgraphs": [{**subgraph("sub", again), "links": [0] * 10_000}]}
    workflow = {"nodes": [*nodes(), node(50, "sub")], "links": LINKS, "definitions": definitions}
    assert read_picture_settings(png(tmp_path, workflow)).values["prompt"] == "a fox"


@pytest.mark.parametrize(
    "change",
    [
        {"links": [[30, 40, 0, 40, 0, "CONDITIONING"]]},
        {"links": [[30, [1], {}, 5, 1, "CONDITIONING"], [30, -10, []], [None], 5, [[30], 2, 0]]},
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


def test_only_widget_of_a_node_needs_no_name(tmp_path: Path) -> None:
    shown = nodes()
    shown[2] = node(2, "CLIPTextEncode", {"clip": ("CLIP", 3), "text": ("STRING", 30)}, ["old"])
    shown.append(node(40, "PrimitiveStringMultiline", widgets=["a new fox"]))
    workflow = {"nodes": shown, "links": [*LINKS, [30, 40, 0, 2, 1, "STRING"]]}
    assert read_picture_settings(png(tmp_path, workflow)).values["prompt"] == "a new fox"
