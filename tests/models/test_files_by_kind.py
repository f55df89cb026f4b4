"""Finding LoRAs, embeddings, VAEs and wildcards."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core import paths
from sdtui.core.settings import Settings
from sdtui.models.files_by_kind import FileKind, files_of_kind, folders_of_kind


def _make(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def _names(kind: FileKind, settings: Settings) -> list[str]:
    return [each.name for each in files_of_kind(kind, settings)]


@pytest.mark.parametrize("below", ["", "models", "models/Stable-diffusion"])
def test_files_of_a1111_are_found_beside_its_models(tmp_path: Path, below: str) -> None:
    _make(
        tmp_path / "models/Stable-diffusion/model.safetensors",
        tmp_path / "models/Lora/style/film.safetensors",
        tmp_path / "models/LyCORIS/old.safetensors",
        tmp_path / "models/VAE/mse.safetensors",
        tmp_path / "embeddings/bad.safetensors",
        tmp_path / "extensions/dynamic/wildcards/animal.txt",
    )
    settings = Settings(model_folders=(tmp_path / below,))
    assert _names(FileKind.LORA, settings) == ["style/film", "old"]
    assert _names(FileKind.VAE, settings) == ["mse"]
    assert _names(FileKind.EMBEDDING, settings) == ["bad"]
    assert _names(FileKind.WILDCARD, settings) == ["animal"]


@pytest.mark.parametrize("below", ["", "models", "models/checkpoints"])
def test_files_of_comfyui_are_found_beside_its_models(tmp_path: Path, below: str) -> None:
    _make(
        tmp_path / "models/checkpoints/model.safetensors",
        tmp_path / "models/loras/film.safetensors",
        tmp_path / "models/vae/mse.safetensors",
        tmp_path / "models/embeddings/bad.safetensors",
    )
    settings = Settings(model_folders=(tmp_path / below,))
    assert _names(FileKind.LORA, settings) == ["film"]
    assert _names(FileKind.VAE, settings) == ["mse"]
    assert _names(FileKind.EMBEDDING, settings) == ["bad"]


def test_folders_of_the_settings_come_first_and_no_file_twice(tmp_path: Path) -> None:
    _make(tmp_path / "models/Lora/film.safetensors", tmp_path / "own/mine.safetensors")
    own = tmp_path / "own"
    (own / "link.safetensors").symlink_to(tmp_path / "models/Lora/film.safetensors")
    settings = Settings(model_folders=(tmp_path,), lora_folders=(own,))
    trained = paths.loras_folder()
    assert folders_of_kind(FileKind.LORA, settings) == (own, tmp_path / "models/Lora", trained)
    assert _names(FileKind.LORA, settings) == ["link", "mine"]


def test_pickles_are_listed_and_other_files_are_not(tmp_path: Path) -> None:
    _make(*(tmp_path / name for name in ("a.pt", "b.png", "c.safetensors", ".d.safetensors")))
    settings = Settings(lora_folders=(tmp_path, tmp_path / "missing"))
    assert _names(FileKind.LORA, settings) == ["a", "c"]
