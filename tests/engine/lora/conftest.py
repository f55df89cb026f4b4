"""Tiny pipelines in memory."""

from __future__ import annotations

from typing import Any

import pytest
from diffusers import DiffusionPipeline

from tests.support.tiny_models import make_sd1, make_sdxl
from tests.support.tiny_other_families import make_flux
from tests.support.tiny_transformers import make_tiny


@pytest.fixture(scope="package")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A pipeline of each family. Tests must restore what they change."""
    folder = tmp_path_factory.mktemp("pipelines")
    makers: dict[str, Any] = {"sd1": make_sd1, "sdxl": make_sdxl, "flux": make_flux}
    loaded = {
        name: DiffusionPipeline.from_pretrained(make(folder / name))
        for name, make in makers.items()
    }
    return {**loaded, **{name: make_tiny(name) for name in ("sd3", "z_image", "flux2_klein")}}
