"""Settings in the text files beside pictures, as tools write them where asked to."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

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
        (".swarm.json", json.dumps({"sui_image_params": EASY}), "SwarmUI"),
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
    noise = {"rng": "nv"} if source == "A1111" else {}
    assert (found.source, found.values) == (source, {**WANTED, **noise})
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


def with_infotext(path: Path, text: str) -> Path:
    info = PngInfo()
    info.add_text("parameters", text)
    picture(colour="red").save(path, pnginfo=info)
    return path


def test_json_of_another_picture_with_the_same_name_is_not_taken(
    history: History, tmp_path: Path
) -> None:
    saved = history.save(picture(), record("a cat"), 0, file=tmp_path / "source" / "a.jpg").path
    stranger = with_infotext(saved.with_suffix(".png"), INFOTEXT)
    silent = saved.with_suffix(".webp")
    picture(colour="blue").save(silent)
    brought = history.import_([stranger, silent])
    assert [each.path for each in brought.skipped] == [silent]
    (imported,) = brought.pictures
    assert read_picture_settings(imported).values["prompt"] == "a fox"


def test_import_in_place_overwrites_no_json_of_another_picture(history: History) -> None:
    own = history.save(picture(), record("a cat"), 0)
    kept = own.path.with_suffix(".json").read_bytes()
    stranger = own.path.with_suffix(".webp")
    exif = Image.Exif()
    exif[0x9286] = b"UNICODE\0" + INFOTEXT.encode("utf-16-be")
    picture(colour="red").save(stranger, exif=exif)
    (imported,) = history.import_([stranger]).pictures
    assert imported != stranger
    assert own.path.with_suffix(".json").read_bytes() == kept
    assert history.entries("cat").total == history.entries("fox").total == 1


@pytest.mark.parametrize("states", [True, False])
def test_json_of_a_changed_picture_is_taken(history: History, tmp_path: Path, states: bool) -> None:
    saved = history.save(picture(), record("a cat"), 0, file=tmp_path / "source" / "a.png").path
    text = "a cat\nSteps: 20, CFG scale: 7, Seed: 42"
    with_infotext(saved, text) if states else picture(colour="red").save(saved)
    (imported,) = history.import_([saved]).pictures
    (entry,) = history.entries("cat").entries
    assert entry.path == imported
    assert history.record(entry).notices == ()


def test_text_beside_a_picture_in_a_zip_is_read(history: History, tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "in/a.png")
        archive.writestr("in/a.txt", INFOTEXT)
        archive.write(tmp_path / "a.png", "in/b.png")
        archive.writestr("in/c.avif", b"")
    brought = history.import_([tmp_path / "a.zip"])
    assert len(brought.pictures) == 1
    assert history.entries("fox seed:5").total == 1
    assert {each.path.name: each.reason for each in brought.skipped} == {
        "b.png": "has no readable settings. "
        "Choose a picture of a tool that writes its settings into it.",
        "c.avif": "it is not a PNG, JPEG or WebP picture",
    }


def test_pictures_of_other_formats_in_a_folder_are_reported(
    history: History, tmp_path: Path
) -> None:
    for name in ("a.avif", "b.JXL", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    brought = history.import_([tmp_path])
    assert [each.path.name for each in brought.skipped] == ["a.avif", "b.JXL"]
    assert all("not a PNG, JPEG or WebP" in each.reason for each in brought.skipped)
