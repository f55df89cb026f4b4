"""Clip skip, from the request to the record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sdtui.core.enums import POCKET
from sdtui.core.errors import InvalidRequestError
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.history import write_infotext
from sdtui.pocket import MODEL_FOLDER
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd2


def test_another_layer_gives_another_picture(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    usual = generate(engine, make_request(tiny_sd1))
    last = generate(engine, make_request(tiny_sd1, clip_skip=1))
    skipped = generate(engine, make_request(tiny_sd1, clip_skip=2))
    assert difference(usual.images[0], last.images[0]) == 0
    assert difference(usual.images[0], skipped.images[0]) > 0


def test_sdxl_takes_the_same_layer_for_one_and_two(
    engine: StableDiffusionEngine, tiny_sdxl: Path
) -> None:
    one, two = (
        generate(engine, make_request(tiny_sdxl, clip_skip=number)).images[0] for number in (1, 2)
    )
    usual = generate(engine, make_request(tiny_sdxl)).images[0]
    assert difference(usual, one) == difference(usual, two) == 0


def test_record_and_infotext_name_the_layer(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    record = generate(engine, make_request(tiny_sd1, clip_skip=2)).record
    assert record.values()["clip_skip"] == 2
    assert "Clip skip: 2" in write_infotext(record)
    usual = generate(engine, make_request(tiny_sd1)).record
    assert "Clip skip" not in write_infotext(usual)


def test_native_layer_of_a_model_is_used_and_recorded(
    engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "anime"
    shutil.copytree(MODEL_FOLDER, folder)
    native = {**json.loads((folder / "sdtui.json").read_text()), "clip_skip": 2}
    (folder / "sdtui.json").write_text(json.dumps(native))
    result = generate(engine, make_request(folder))
    assert result.record.values()["clip_skip"] == 2
    assert result.record.request.encoding.clip_skip is None
    expected = generate(engine, make_request(Path(POCKET), clip_skip=2))
    assert difference(result.images[0], expected.images[0]) == 0
    last = generate(engine, make_request(folder, clip_skip=1))
    assert last.record.values()["clip_skip"] == 1
    assert difference(result.images[0], last.images[0]) > 0


def test_layer_is_left_out_for_sd2_with_a_notice(
    engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    model = make_sd2(tmp_path)
    result = generate(engine, make_request(model, clip_skip=2))
    assert any("clip_skip" in notice for notice in result.record.notices)
    assert "Clip skip" not in write_infotext(result.record)
    usual = generate(engine, make_request(model))
    assert difference(usual.images[0], result.images[0]) == 0


def test_more_layers_than_there_are_is_an_error(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    with pytest.raises(InvalidRequestError, match="clip_skip: must be at most 2"):
        generate(engine, make_request(tiny_sd1, clip_skip=3))
