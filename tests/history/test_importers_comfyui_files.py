"""Where ComfyUI's graphs and workflows stand in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdtui.history.importers import read_picture_settings
from tests.support.records import picture

GRAPH: dict[str, dict[str, Any]] = {
    "1": {
        "class_type": "KSampler",
        "inputs": {"seed": 7, "steps": 20, "positive": ["2", 0], "negative": ["3", 0]},
    },
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry"}},
}


def prompts(path: Path) -> tuple[object, object]:
    found = read_picture_settings(path).values
    return found["prompt"], found["negative_prompt"]


@pytest.mark.parametrize("key", ["Make", "ImageDescription"])
@pytest.mark.parametrize("prefix", ["prompt:", "Prompt: ", " PROMPT:"])
def test_graph_in_exif_is_found_behind_any_prefix(tmp_path: Path, key: str, prefix: str) -> None:
    exif = Image.Exif()
    exif[{"Make": 0x010F, "ImageDescription": 0x010E}[key]] = prefix + json.dumps(GRAPH)
    exif[0x0110] = "Workflow:{}"
    picture().save(tmp_path / "a.webp", exif=exif)
    assert prompts(tmp_path / "a.webp") == ("a fox", "blurry")


def test_graph_inside_an_object_with_other_keys_is_read(tmp_path: Path) -> None:
    comment = json.dumps({"prompt": {**GRAPH, "extra": {"airs": []}}, "workflow": {}})
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + comment.encode("utf-16-be")
    picture().save(tmp_path / "a.jpg", exif=exif)
    assert prompts(tmp_path / "a.jpg") == ("a fox", "blurry")


@pytest.mark.parametrize("named", [True, False])
def test_workflow_without_a_graph_is_read(tmp_path: Path, named: bool) -> None:
    widgets = ["seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"]
    links = {"model": 1, "positive": 2, "negative": 3, "latent_image": 4}
    inputs: list[dict[str, Any]] = [{"name": name, "link": at} for name, at in links.items()]
    if named:
        inputs += [{"name": name, "widget": {"name": name}, "link": None} for name in widgets]
    values = [42, "fixed", 20, 8, "euler", "karras", 1]
    clip = [{"name": "clip", "link": 5}]
    nodes = [
        {"id": 3, "type": "KSampler", "inputs": inputs, "widgets_values": values},
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["base.safetensors"]},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [512, 768, 1]},
        {"id": 6, "type": "CLIPTextEncode", "inputs": clip, "widgets_values": ["a fox"]},
        {"id": 7, "type": "CLIPTextEncode", "inputs": clip, "widgets_values": ["blurry"]},
    ]
    lines = [
        *([1, 4, 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "CONDITIONING"], [5, 4, 1, 6, 0, "CLIP"]),
        *([3, 7, 0, 3, 2, "CONDITIONING"], [4, 5, 0, 3, 3, "LATENT"]),
    ]
    info = PngInfo()
    info.add_text("workflow", json.dumps({"nodes": nodes, "links": lines, "version": 0.4}))
    picture().save(tmp_path / "a.png", pnginfo=info)
    found = read_picture_settings(tmp_path / "a.png").values
    assert found == {
        **{"prompt": "a fox", "negative_prompt": "blurry", "model": "base.safetensors"},
        **{"sampler": "Euler Karras", "num_inference_steps": 20, "guidance_scale": 8.0},
        **{"width": 512, "height": 768, "seed": 42},
    }


def test_graph_of_an_animated_png_is_read(tmp_path: Path) -> None:
    info = PngInfo()
    info.add(b"comf", b"prompt\0" + json.dumps(GRAPH).encode("latin-1"), after_idat=True)
    picture().save(tmp_path / "a.png", pnginfo=info)
    assert prompts(tmp_path / "a.png") == ("a fox", "blurry")
