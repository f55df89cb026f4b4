"""Folders of pipelines that diffusers has only in blocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdtui.core.errors import ModelDamagedError, UnsupportedModelError
from sdtui.models import describe_model


def _index(folder: Path, pipeline_class: str) -> Path:
    elsewhere = {"pretrained_model_name_or_path": "someone/else", "subfolder": "transformer"}
    index = {
        "_class_name": pipeline_class,
        "auto_map": {"ModularPipelineBlocks": "block.X"},
        "transformer": ["diffusers", "CosmosTransformer3DModel", elsewhere],
    }
    (folder / "modular_model_index.json").write_text(json.dumps(index))
    return folder


def test_parts_in_other_repositories_are_missing_parts(tmp_path: Path) -> None:
    with pytest.raises(ModelDamagedError, match="the part transformer is missing"):
        describe_model(_index(tmp_path, "AnimaModularPipeline"))


def test_other_pipelines_in_blocks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="in blocks"):
        describe_model(_index(tmp_path, "ZImageModularPipeline"))
