"""Finding captioners on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdtui.core.errors import ModelNotFoundError, UnsafeModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models import CaptionerKind, find_captioner, installed_captioners


def add_model(folder: Path, kind: str = "blip", file: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    (folder / file).touch()
    return folder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return Settings(model_folders=(tmp_path / "models",))


def test_they_are_found_in_model_folders_and_in_the_hubs_cache(
    tmp_path: Path, settings: Settings
) -> None:
    add_model(tmp_path / "models" / "BLIP" / "base")
    add_model(tmp_path / "models" / "other", "clip")
    encoder = tmp_path / "models" / "qwen-image" / "text_encoder"
    add_model(encoder, "qwen2_5_vl")
    (encoder.parent / "model_index.json").write_text("{}")
    (tmp_path / "models" / "damaged").mkdir()
    (tmp_path / "models" / "damaged" / "config.json").write_text("no")
    repository = tmp_path / "hub" / "models--florence-community--Florence-2-base"
    add_model(repository / "snapshots" / "abc", "florence2")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    found = [(each.name, each.kind) for each in installed_captioners(settings)]
    assert found == [
        ("BLIP/base", CaptionerKind.BLIP),
        ("florence-community/Florence-2-base", CaptionerKind.FLORENCE_2),
    ]
    assert find_captioner("base", settings).path == tmp_path / "models" / "BLIP" / "base"
    assert find_captioner("Florence-2-base", settings).kind is CaptionerKind.FLORENCE_2


def test_without_a_name_it_is_that_of_the_settings_or_the_only_one(
    tmp_path: Path, settings: Settings
) -> None:
    with pytest.raises(ModelNotFoundError, match="no captioner is chosen"):
        find_captioner("", settings)
    add_model(tmp_path / "models" / "one")
    assert find_captioner("", settings).name == "one"
    add_model(tmp_path / "models" / "two")
    with pytest.raises(ModelNotFoundError, match="There are: one, two"):
        find_captioner("", settings)
    chosen = Settings(model_folders=settings.model_folders, captioner="two")
    assert find_captioner("", chosen).name == "two"


def test_what_cannot_be_used_is_refused(tmp_path: Path, settings: Settings) -> None:
    pickle = add_model(tmp_path / "pickle", file="pytorch_model.bin")
    with pytest.raises(UnsafeModelError, match="could run code"):
        find_captioner(str(pickle), settings)
    with pytest.raises(UnsupportedModelError, match="is no captioner"):
        find_captioner(str(add_model(tmp_path / "clip", "clip")), settings)
    add_model(tmp_path / "models" / "blip")
    with pytest.raises(ModelNotFoundError, match='Did you mean "blip"'):
        find_captioner("blib", settings)
