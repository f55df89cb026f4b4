"""Graphs of ComfyUI, and the settings that are read from pictures with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

from sdtui.history.importers import ImportedSettings, read_picture_settings
from tests.support.records import picture

Graph = dict[str, dict[str, Any]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def graph(**changes: dict[str, Any]) -> Graph:
    """A plain text-to-image graph, with some nodes replaced or added."""
    plain = {
        "model": node("CheckpointLoaderSimple", ckpt_name="base.safetensors"),
        "empty": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "fox": node("CLIPTextEncode", text="a fox", clip=["model", 1]),
        "blur": node("CLIPTextEncode", text="blurry", clip=["model", 1]),
        "sampler": sampler(),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["model", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="x"),
    }
    return {**plain, **changes}


def sampler(**changes: Any) -> dict[str, Any]:
    inputs = {
        **{"seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal"},
        **{"denoise": 1, "model": ["model", 0], "latent_image": ["empty", 0]},
        **{"positive": ["fox", 0], "negative": ["blur", 0]},
    }
    return node("KSampler", **{**inputs, **changes})


def read(folder: Path, nodes: Graph) -> ImportedSettings:
    info = PngInfo()
    info.add_text("prompt", json.dumps(nodes))
    picture().save(folder / "a.png", pnginfo=info)
    return read_picture_settings(folder / "a.png")
