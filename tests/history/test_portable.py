"""Models in pictures that leave this machine, and pictures that come back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL.PngImagePlugin import PngInfo

from sdtui.history import History
from sdtui.history.image_metadata import read_texts
from sdtui.history.importers import read_picture_settings
from sdtui.history.portable import portable_name
from sdtui.models import model_hash
from sdtui.requests.record import GenerationRecord
from sdtui.requests.sections.hires import Hires
from sdtui.requests.sections.refiner import Refiner
from tests.support.records import picture, record

HUB_CACHE = "/home/me/.cache/huggingface/hub/models--owner--some.model-1/snapshots/0a1b2c"


def folder_model(folder: Path) -> Path:
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(folder.name.encode())
    (folder / "model_index.json").write_text("{}")
    return folder


def sharded_model(folder: Path) -> Path:
    (folder / "transformer").mkdir(parents=True)
    for part in ("00001-of-00002", "00002-of-00002"):
        name = f"diffusion_pytorch_model-{part}.safetensors"
        (folder / "transformer" / name).write_bytes(part.encode())
    return folder


def file_model(file: Path) -> Path:
    file = file.with_suffix(".safetensors")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    return file


def made_with(model: Path) -> GenerationRecord:
    made = record(model=str(model))
    assert made.model is not None
    known = {"name": str(model), "source": str(model), "hash": model_hash(model)}
    return made.model_copy(update={"model": made.model.model_copy(update=known)})


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
@pytest.mark.parametrize("make", [folder_model, sharded_model, file_model])
def test_picture_hides_the_folder_of_its_model_and_is_made_again_with_it(
    history: History, tmp_path: Path, make: Callable[[Path], Path], ending: str
) -> None:
    model = make(tmp_path / "private" / "My.Model v1.5")
    saved = history.save(picture(), made_with(model), 0, file=tmp_path / f"a.{ending}")
    saved.json_path.unlink()
    assert not any("private" in text for text in read_texts(saved.path).texts.values())
    assert read_picture_settings(saved.path).values["model"] == str(model)
    copy = tmp_path / f"b.{ending}"
    shutil.copy(saved.path, copy)
    (imported,) = history.import_([copy]).pictures
    assert read_picture_settings(imported).values["model"] == str(model)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_models_of_later_passes_are_found_again_too(
    history: History, tmp_path: Path, ending: str
) -> None:
    model = file_model(tmp_path / "private" / "large")
    made = made_with(model)
    assert made.model is not None
    hires, refiner = Hires(2.0, model=str(model)), Refiner(str(model))
    request = replace(made.request, model="pocket", hires=hires, refiner=refiner)
    made = made.model_copy(update={"request": request, "other_models": (made.model,)})
    saved = history.save(picture(), made, 0, file=tmp_path / f"a.{ending}")
    saved.json_path.unlink()
    texts = read_texts(saved.path).texts
    assert not any("private" in text for text in texts.values())
    digits = model_hash(model) or ""
    assert any(f"Refiner: large [{digits[:10]}]" in text for text in texts.values())
    values = read_picture_settings(saved.path).values
    assert (values["hires_model"], values["refiner"]) == (str(model), str(model))


def test_model_that_has_changed_or_is_gone_keeps_its_name(history: History, tmp_path: Path) -> None:
    model = folder_model(tmp_path / "private" / "mine")
    saved = history.save(picture(), made_with(model), 0, file=tmp_path / "a.jpg")
    saved.json_path.unlink()
    weights = next(model.glob("unet/*"))
    weights.write_bytes(b"others, and longer")
    assert read_picture_settings(saved.path).values["model"] == "mine"
    shutil.rmtree(model)
    assert read_picture_settings(saved.path).values["model"] == "mine"


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
@pytest.mark.parametrize("model", ["owner/name", "owner/SDXL.Turbo-1.0", "pocket", "sub/dir/name"])
def test_other_names_of_models_stay(
    history: History, tmp_path: Path, model: str, ending: str
) -> None:
    saved = history.save(picture(), record(model=model), 0, file=tmp_path / f"a.{ending}")
    saved.json_path.unlink()
    assert read_picture_settings(saved.path).values["model"] == model


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("/models/sd/base.v2.safetensors", "base.v2"),
        ("C:\\models\\base.safetensors", "base"),
        ("~/models/folder.v2", "folder.v2"),
        ("../folder", "folder"),
        ("./sub/base.safetensors", "base"),
        (HUB_CACHE, "owner/some.model-1"),
        ("owner/name", "owner/name"),
        ("sub/base.safetensors", "base"),
    ],
)
def test_model_is_named_without_folders_of_this_machine(model: str, name: str) -> None:
    assert portable_name(model) == name


def test_model_in_the_working_directory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_model(tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    assert portable_name("models/mine") == "mine"
    monkeypatch.chdir(tmp_path / "models" / "mine")
    assert portable_name(".") == "mine"


@pytest.mark.parametrize(
    ("named", "model"),
    [
        ("Diffusers/owner/name-1.0", "owner/name-1.0"),
        ("owner/name-1.0", "owner/name-1.0"),
        (f"D:\\x{HUB_CACHE}".replace("/", "\\"), "owner/some.model-1"),
        ("sdxl\\base.safetensors", "base.safetensors"),
        ("sdxl/base.safetensors [31e35c80fc]", "base.safetensors"),
        ("base.v2 [31e35c80fc]", "base.v2"),
        ("/mnt/models/folder.v2", "folder.v2"),
        ("some model (v2)", "some model (v2)"),
    ],
)
def test_hub_ids_of_other_tools_stay_and_folders_go(tmp_path: Path, named: str, model: str) -> None:
    info = PngInfo()
    text = f"a cat\nSteps: 20, Seed: 1, Model: {json.dumps(named) if ':' in named else named}"
    info.add_text("parameters", f"{text}, App: SD.Next, Version: abc")
    picture().save(tmp_path / "a.png", pnginfo=info)
    assert read_picture_settings(tmp_path / "a.png").values["model"] == model
