"""Models are known by their hashes, and hashing is done once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sdtui.core import paths
from sdtui.models import hashing, model_hash
from sdtui.models.hashing import file_hash


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were really read."""
    read: list[Path] = []
    original = hashing.hash_content

    def count(file: Path) -> str:
        read.append(file)
        return original(file)

    monkeypatch.setattr(hashing, "hash_content", count)
    return read


def sha256(data: bytes) -> str:
    """The hash of some bytes."""
    return hashlib.sha256(data).hexdigest()


def test_file_is_hashed_only_once(tmp_path: Path, hashed: list[Path]) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(b"one" * 3_000_000)
    for _ in range(3):
        assert file_hash(file) == sha256(b"one" * 3_000_000)
    assert hashed == [file]


@pytest.mark.parametrize("after", [b"two", b"longer"])
def test_changed_file_is_hashed_again(tmp_path: Path, after: bytes, hashed: list[Path]) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(b"one")
    os.utime(file, ns=(1, 1))
    file_hash(file)
    file.write_bytes(after)
    os.utime(file, ns=(2, 2))
    assert file_hash(file) == sha256(after)
    assert len(hashed) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 3}'])
def test_damaged_hash_cache_is_ignored(tmp_path: Path, text: str) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(b"one")
    (paths.cache_folder() / "hashes.json").write_text(text)
    assert file_hash(file) == sha256(b"one")
    assert file_hash(file) == sha256(b"one")


def test_hub_blobs_are_named_by_their_hash(tmp_path: Path, hashed: list[Path]) -> None:
    blob = tmp_path / ("ab" * 32)
    blob.write_bytes(b"one")
    (tmp_path / "m.safetensors").symlink_to(blob)
    assert file_hash(tmp_path / "m.safetensors") == "ab" * 32
    assert hashed == []
    git_blob = tmp_path / ("ab" * 20)
    git_blob.write_bytes(b"one")
    assert file_hash(git_blob) == sha256(b"one")


def test_folder_has_the_hash_of_its_denoiser(tmp_path: Path) -> None:
    assert model_hash(tmp_path) is None
    for name in ("unet", "vae"):
        (tmp_path / name).mkdir()
    (tmp_path / "vae" / "a.safetensors").write_bytes(b"vae")
    (tmp_path / "unet" / "a-1.safetensors").write_bytes(b"one")
    assert model_hash(tmp_path) == sha256(b"one")
    (tmp_path / "unet" / "a-2.safetensors").write_bytes(b"two")
    assert model_hash(tmp_path) == sha256((sha256(b"one") + sha256(b"two")).encode())


def test_checkpoint_has_the_hash_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"one")
    assert model_hash(tmp_path / "m.safetensors") == sha256(b"one")


def test_unwritable_hash_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(hashing, "write_atomic", refuse)
    (tmp_path / "m.safetensors").write_bytes(b"one")
    assert file_hash(tmp_path / "m.safetensors") == sha256(b"one")
