"""Settings in the text files beside pictures, as tools write them where asked to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdtui.core.errors import ImageError
from sdtui.history import History
from sdtui.history.importers import read_picture_settings
from tests.support.records import picture, record

INFOTEXT = (
    "a fox\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, Model: some\n"
)
EASY = {
    **{"prompt": "a fox", "seed": 5, "used_random_seed": True, "negative_prompt": "blurry"},
    **{"num_outputs": 1, "num_inference_steps": 20, "guidance_scale": 7, "width": 512},
    **{"height": 768, "use_stable_diffusion_model": "some", "sampler_name": "euler_a"},
}
EASY_TEXT = (
    "Prompt: a fox\nWidth: 512\nHeight: 768\nSeed: 5\nSteps: 20\nGuidance Scale: 7\n"
    "Sampler: euler_a\nNegative Prompt: blurry\nStable Diffusion model: some\n"
)
WANTED = {
    **{"prompt": "a fox", "negative_prompt": "blurry", "sampler": "Euler a", "seed": 5},
    **{"num_inference_steps": 20, "guidance_scale": 7, "width": 512, "height": 768},
    "model": "some",
}


@pytest.mark.parametrize(
    ("suffix", "text", "source"),
    [
        (".txt", INFOTEXT, "A1111"),
        (".txt", INFOTEXT.replace("\n", "\r\n"), "A1111"),
        (".json", json.dumps(EASY), "Easy Diffusion"),
        (".txt", EASY_TEXT, "Easy Diffusion"),
        (".txt", EASY_TEXT.replace("\n", "\r\n"), "Easy Diffusion"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_text_beside_a_picture_is_read(
    history: History,
    tmp_path: Path,
    suffix: str,
    text: str,
    source: str,
    encoding: str,
    ending: str,
) -> None:
    path = tmp_path / f"a.{ending}"
    picture().save(path)
    path.with_suffix(suffix).write_bytes(text.encode(encoding))
    found = read_picture_settings(path)
    assert (found.source, found.values) == (source, WANTED)
    assert len(history.import_([path]).pictures) == 1
    assert history.entries("fox seed:5").total == 1


@pytest.mark.parametrize("text", ["a fox, snow, masterpiece", "", "{", "[1]", "prompt: a fox"])
@pytest.mark.parametrize("suffix", [".txt", ".json"])
def test_other_text_beside_a_picture_is_no_settings(tmp_path: Path, suffix: str, text: str) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / f"a{suffix}").write_text(text)
    with pytest.raises(ImageError, match="no readable settings"):
        read_picture_settings(tmp_path / "a.png")


def test_json_of_another_picture_of_sdtui_is_no_settings(history: History, tmp_path: Path) -> None:
    saved = history.save(picture(), record(), 0, file=tmp_path / "a.jpg")
    picture(colour="red").save(saved.path)
    with pytest.raises(ImageError, match="no readable settings"):
        read_picture_settings(saved.path)
