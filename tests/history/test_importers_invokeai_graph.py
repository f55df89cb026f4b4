"""Settings out of InvokeAI's graphs and workflows, where there is no metadata beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL.PngImagePlugin import PngInfo

from sdtui.core.errors import ImageError
from sdtui.history.importers import ImportedSettings, read_picture_settings
from tests.support.records import picture

MODEL = {"key": "k", "hash": "blake3:1", "name": "Dreamshaper 8", "base": "sd-1", "type": "main"}
NODES: dict[str, dict[str, Any]] = {
    "loader": {"type": "main_model_loader", "model": MODEL},
    "skip": {"type": "clip_skip", "skipped_layers": 1},
    "fox": {"type": "string", "value": "a fox"},
    "positive": {"type": "compel", "prompt": "replaced by the link"},
    "negative": {"type": "compel", "prompt": "blurry"},
    "all": {"type": "collect"},
    "seed": {"type": "integer", "value": 42},
    "noise": {"type": "noise", "seed": 0, "width": 512, "height": 768, "use_cpu": True},
    "denoise": {
        **{"type": "denoise_latents", "steps": 30, "cfg_scale": 6.5, "scheduler": "euler_a"},
        **{"denoising_start": 0, "denoising_end": 1},
    },
    "decode": {"type": "l2i", "fp32": False},
}
EDGES = [
    ("loader", "unet", "denoise", "unet"),
    ("loader", "clip", "skip", "clip"),
    ("skip", "clip", "positive", "clip"),
    ("skip", "clip", "negative", "clip"),
    ("fox", "value", "positive", "prompt"),
    ("positive", "conditioning", "all", "item"),
    ("all", "collection", "denoise", "positive_conditioning"),
    ("negative", "conditioning", "denoise", "negative_conditioning"),
    ("seed", "value", "noise", "seed"),
    ("noise", "noise", "denoise", "noise"),
    ("denoise", "latents", "decode", "latents"),
]
FLUX: dict[str, dict[str, Any]] = {
    "loader": {"type": "flux_model_loader", "model": {**MODEL, "name": "FLUX Dev"}},
    "positive": {"type": "flux_text_encoder", "prompt": "a fox", "t5_max_seq_len": 512},
    "denoise": {
        **{"type": "flux_denoise", "num_steps": 28, "guidance": 3.5, "seed": 42, "width": 512},
        **{"height": 768, "cfg_scale": 1.0},
    },
}
FLUX_EDGES = [
    ("loader", "transformer", "denoise", "transformer"),
    ("positive", "conditioning", "denoise", "positive_text_conditioning"),
]
Edges = list[tuple[str, str, str, str]]


def graph(nodes: dict[str, dict[str, Any]], edges: Edges) -> dict[str, Any]:
    """As InvokeAI writes it into `invokeai_graph`."""
    return {
        "id": "g",
        "nodes": {key: {"id": key, "is_intermediate": True, **nodes[key]} for key in nodes},
        "edges": [
            {
                "source": {"node_id": source, "field": out},
                "destination": {"node_id": target, "field": into},
            }
            for source, out, target, into in edges
        ],
    }


def workflow(nodes: dict[str, dict[str, Any]], edges: Edges) -> dict[str, Any]:
    """As InvokeAI's editor writes it into `invokeai_workflow`."""
    return {
        **{"name": "", "author": "", "meta": {"version": "3.0.0"}, "exposedFields": []},
        "nodes": [
            {
                **{"id": key, "type": "invocation", "position": {"x": 0, "y": 0}},
                "data": {
                    **{"id": key, "version": "1.0.0", "type": nodes[key]["type"]},
                    "inputs": {
                        name: {"name": name, "label": "", "value": value}
                        for name, value in nodes[key].items()
                        if name != "type"
                    },
                },
            }
            for key in nodes
        ],
        "edges": [
            {
                **{"id": f"{source}-{target}", "type": "default", "source": source},
                **{"sourceHandle": out, "target": target, "targetHandle": into},
            }
            for source, out, target, into in edges
        ],
    }


def read(folder: Path, **texts: object) -> ImportedSettings:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, json.dumps(text))
    picture().save(folder / "a.png", pnginfo=info)
    return read_picture_settings(folder / "a.png")


@pytest.mark.parametrize("keyword", ["invokeai_graph", "invokeai_workflow"])
def test_graph_and_workflow_are_read(tmp_path: Path, keyword: str) -> None:
    written = graph(NODES, EDGES) if keyword == "invokeai_graph" else workflow(NODES, EDGES)
    found = read(tmp_path, **{keyword: written})
    assert found.source == "InvokeAI"
    assert found.values == {
        **{"prompt": "a fox", "negative_prompt": "blurry", "model": "Dreamshaper 8", "seed": 42},
        **{"num_inference_steps": 30, "guidance_scale": 6.5, "sampler": "Euler a"},
        **{"width": 512, "height": 768, "clip_skip": 2},
    }


@pytest.mark.parametrize("write", [graph, workflow])
def test_graph_of_flux_is_read(tmp_path: Path, write: Any) -> None:
    found = read(tmp_path, invokeai_graph=write(FLUX, FLUX_EDGES))
    assert found.values == {
        **{"prompt": "a fox", "model": "FLUX Dev", "seed": 42, "num_inference_steps": 28},
        **{"guidance_scale": 3.5, "width": 512, "height": 768},
    }


def test_metadata_counts_before_a_graph(tmp_path: Path) -> None:
    metadata = {"positive_prompt": "a wolf", "seed": 5, "steps": 9}
    found = read(tmp_path, invokeai_graph=graph(NODES, EDGES), invokeai_metadata=metadata)
    assert (found.values["prompt"], found.values["seed"]) == ("a wolf", 5)


def test_random_seed_of_a_workflow_is_named_and_unknown(tmp_path: Path) -> None:
    nodes = {**NODES, "seed": {"type": "rand_int", "low": 0, "high": 2147483647}}
    found = read(tmp_path, invokeai_workflow=workflow(nodes, EDGES))
    assert "seed" not in found.values
    assert any("rand_int" in each for each in found.not_carried)


@pytest.mark.parametrize(
    "written",
    [
        {"nodes": [], "edges": []},
        {"nodes": {"a": 1, "b": {"type": 5}, "c": None}, "edges": [1, {"source": 2}, None]},
        {"nodes": [1, {"data": 5}, {"data": {"type": "x", "inputs": [1]}}], "edges": {}},
        {"nodes": {"a": {"type": "denoise_latents"}}, "edges": [{"source": {}, "destination": {}}]},
        None,
    ],
)
def test_damaged_graph_raises_an_image_error(tmp_path: Path, written: object) -> None:
    with pytest.raises(ImageError):
        read(tmp_path, invokeai_graph=written)
