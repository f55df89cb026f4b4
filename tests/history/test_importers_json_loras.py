"""LoRAs in the JSON of tools without a graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdtui.history.importers import read_picture_settings
from tests.support.foreign_pictures import SWARMUI, png

_FOOOCUS = {"prompt": "a fox", "seed": 7, "steps": 30, "sampler": "euler", "version": "Fooocus v2"}


@pytest.mark.parametrize(
    ("settings", "loras"),
    [
        ({"loras": [["style/film.safetensors", 0.5]]}, ("film:0.5",)),
        ({"loras": [["film.safetensors", 0.5, "0123456789"], ["ink", 1, ""]]}, ("film:0.5", "ink")),
        ({"loras": [["0123456789", "0.5 - film.safetensors"]]}, ("film:0.5",)),
        ({"loras": [{"name": "film", "weight": -1}]}, ("film:-1",)),
        ({"lora_combined_1": "film.safetensors : 0.1"}, ("film:0.1",)),
        ({"LoRA 1": "film : 0.1", "LoRA 2": "True : ink : 2"}, ("film:0.1", "ink:2")),
    ],
)
def test_loras_of_fooocus_and_its_forks_are_taken_over(
    tmp_path: Path, settings: dict[str, Any], loras: tuple[str, ...]
) -> None:
    text = json.dumps({**_FOOOCUS, **settings})
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert found.values["loras"] == loras
    assert not any("lora" in each.lower() for each in found.not_carried)


@pytest.mark.parametrize(
    ("settings", "loras"),
    [
        ({"loras": ["style/film", "ink"], "loraweights": ["0.5", "1"]}, ("film:0.5", "ink")),
        ({"loras": "film,ink", "loraweights": "0.5,-1"}, ("film:0.5", "ink:-1")),
        ({"loras": ["film"]}, ("film",)),
        (
            {"loras": ["film"], "loraweights": ["0.5"], "loratencweights": ["0.2"]},
            ("film:0.2:0.5",),
        ),
    ],
)
def test_loras_of_swarmui_are_taken_over_with_their_weights(
    tmp_path: Path, settings: dict[str, Any], loras: tuple[str, ...]
) -> None:
    text = json.dumps({"sui_image_params": {**SWARMUI["sui_image_params"], **settings}})
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert found.values["loras"] == loras
    assert not any("lora" in each.lower() for each in found.not_carried)


@pytest.mark.parametrize(
    "settings",
    [
        {"loras": [["film"]]},
        {"loras": [["film", "much"]]},
        {"loras": [7]},
        {"loras": [["film", True]]},
        {"loras": ["film", "ink"], "loraweights": ["1"]},
        {"loras": [["a:b", 1]]},
        {"lora_combined_1": "film"},
    ],
)
def test_loras_that_cannot_be_read_are_named(tmp_path: Path, settings: dict[str, Any]) -> None:
    text = json.dumps({**_FOOOCUS, **settings})
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert "loras" not in found.values
    assert any(each.startswith(next(iter(settings))) for each in found.not_carried)
