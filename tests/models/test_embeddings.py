"""Finding embeddings, and reading their headers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdtui.core.errors import ModelDamagedError, UnsafeModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models.embeddings import (
    bundled_embeddings,
    describe_embedding,
    embeddings_in,
    installed_embeddings,
    without_prefixes,
)
from sdtui.models.files_by_kind import FoundFile
from sdtui.models.headers import read_header
from tests.support.embeddings import make_embedding


def saved(file: Path, **shapes: tuple[int, ...]) -> FoundFile:
    save_file({key.replace("__", "."): torch.zeros(shape) for key, shape in shapes.items()}, file)
    return FoundFile(file.stem, file)


@pytest.mark.parametrize(
    ("shapes", "vectors", "fitting"),
    [
        ({"emb_params": (3, 768)}, 3, (768,)),
        ({"<my-token>": (1, 768)}, 1, (768,)),
        ({"token": (768,)}, 1, (768,)),
        ({"string_to_param__*": (4, 1024)}, 4, (1024,)),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, 2, (768, 1280)),
        ({"clip_g": (2, 1280), "clip_l": (2, 768)}, 2, (768, 1280)),
        ({"emb_params": (8, 2048)}, 8, (768, 1280)),
    ],
)
def test_all_formats_are_read(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], vectors: int, fitting: tuple[int, ...]
) -> None:
    embedding = describe_embedding(saved(tmp_path / "easy.safetensors", **shapes))
    assert (embedding.name, embedding.vectors) == ("easy", vectors)
    for widths in [(768,), (1024,), (768, 1280)]:
        assert embedding.fits(widths) is (widths == fitting)


@pytest.mark.parametrize(
    "shapes",
    [
        {"a": (2, 768), "b": (2, 768)},
        {"emb_params": (2, 2, 768)},
        {"emb_params": (0, 768)},
        {"clip_l": (1, 768), "clip_g": (2, 1280)},
        {"lora_unet_x.lora_up.weight": (2, 3), "lora_unet_x.lora_down.weight": (2, 3)},
    ],
)
def test_other_files_are_refused(tmp_path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(UnsupportedModelError, match="is no embedding"):
        describe_embedding(saved(tmp_path / "x.safetensors", **shapes))


def test_pickles_and_damaged_files_are_refused(tmp_path: Path) -> None:
    for name, error in (("a.pt", UnsafeModelError), ("b.safetensors", ModelDamagedError)):
        (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
        with pytest.raises(error):
            describe_embedding(FoundFile("x", tmp_path / name))
    make_embedding(tmp_path / "sub/good.safetensors", 768)
    installed = installed_embeddings(Settings(embedding_folders=(tmp_path,)))
    assert [each.name for each in installed if each.embedding] == ["good"]
    assert [each.name for each in installed if each.problem] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a photo, EasyNegative", ["easynegative"]),
        ("(easynegative:1.2), x", ["easynegative"]),
        ("[bad-hands-5:easynegative:3]", ["bad-hands-5", "easynegative"]),
        ("embedding:easynegative", ["easynegative"]),
        ("(embedding:sub/easynegative.safetensors:1.2)", ["easynegative"]),
        ("foo \\(bar\\)", ["foo (bar)"]),
        ("uneasynegative bad-hands", []),
        ("easy negative", []),
    ],
)
def test_names_are_found_in_prompts(tmp_path: Path, text: str, found: list[str]) -> None:
    for name in ("easynegative", "bad-hands-5", "foo (bar)"):
        make_embedding(tmp_path / f"{name}.safetensors", 768)
    embeddings, notices = embeddings_in([text], Settings(embedding_folders=(tmp_path,)))
    assert sorted(each.name for each in embeddings) == found
    assert notices == []


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(b"\x80")
    (tmp_path / "both.pt").write_bytes(b"\x80")
    make_embedding(tmp_path / "both.safetensors", 768)
    settings = Settings(embedding_folders=(tmp_path,))
    embeddings, notices = embeddings_in(["old both", "embedding:missing"], settings)
    assert [each.name for each in embeddings] == ["both"]
    assert len(notices) == 2
    assert "old was left out" in notices[0]
    assert "pickle" in notices[0]
    assert notices[1] == "there is no embedding missing: it is read as words"


def test_prefixes_are_removed_from_known_names_alone() -> None:
    text = "embedding:Easy, (embedding:sub/easy.pt:1.2) embedding:other"
    assert without_prefixes(text, ["easy"]) == "Easy, (easy:1.2) embedding:other"


def test_embeddings_inside_a_lora_are_found(tmp_path: Path) -> None:
    found = saved(
        tmp_path / "style.safetensors",
        lora_unet_x__lora_up__weight=(2, 2),
        bundle_emb__my__style__clip_l=(2, 768),
        bundle_emb__my__style__clip_g=(2, 1280),
    )
    header = read_header(found.path)
    (embedding,) = bundled_embeddings(found.path, header)
    assert embedding.name == "my.style"
    assert embedding.fits((768, 1280))
    assert embedding.tensors[0].key == "bundle_emb.my.style.clip_l"
    named, _ = embeddings_in(["a my.style"], Settings(), [embedding])
    assert [each.path for each in named] == [found.path]
    assert len(named[0].sha256) == 64
