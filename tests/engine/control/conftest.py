"""Fixtures: ControlNets for the tiny models, and a control picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.support.tiny_controlnets import make_controlnet, save_as_file


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control picture of 128 x 64 pixels."""
    path = tmp_path_factory.mktemp("pictures") / "control: 1.png"
    Image.linear_gradient("L").resize((128, 64)).convert("RGB").save(path)
    return path


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path, tiny_sdxl: Path) -> Path:
    """A folder of two nets for the tiny SD 1.x model and one for SDXL."""
    folder = tmp_path_factory.mktemp("nets")
    for name, model, seed in (("a", tiny_sd1, 1), ("b", tiny_sd1, 2), ("xl", tiny_sdxl, 3)):
        save_as_file(make_controlnet(model, seed), folder / f"{name}.safetensors")
    return folder
