"""Headers of safetensors files, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdtui.core.errors import ModelDamagedError, ModelNotFoundError
from sdtui.models.headers import TensorInfo, read_header
from tests.support.model_files import safetensors


def test_header_gives_names_shapes_and_sizes(tmp_path: Path) -> None:
    shapes = {"unet.a": (2, 3), "unet.b": (4,), "vae.c": (5, 1, 1), "scalar": ()}
    header = read_header(safetensors(tmp_path / "m.safetensors", shapes, {"who": "me"}))
    assert header.tensors["unet.a"] == TensorInfo("F16", (2, 3))
    assert header.metadata == {"who": "me"}
    assert header.elements() == 16
    assert header.elements("unet.") == 10
    assert header.elements("unet.", "vae.") == 15
    assert header.elements("none.") == 0


def test_only_the_header_of_a_large_file_is_read(tmp_path: Path) -> None:
    file = safetensors(tmp_path / "m.safetensors", {"a": (2**20, 2**10)})
    assert read_header(file).elements() == 2**30


def test_files_of_the_safetensors_library_are_read(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(0)}, tmp_path / "m", {"k": "v"})
    assert read_header(tmp_path / "m").elements() == 6


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    whole = safetensors(tmp_path / "m", {"a": (3,), "b": (2,)}, {"k": "v"}).read_bytes()
    file = tmp_path / "cut"
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelDamagedError):
            read_header(file)
    file.write_bytes(whole[:-3])
    with pytest.raises(ModelDamagedError, match=r"3 of 10 bytes of weights are missing"):
        read_header(file)


def _of(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "data",
    [
        _of(b"{}", 2**63),
        _of(b"{}", 2**64 - 1),
        _of(b"{}", 100_000_001),
        b"\x80\x02}q\x00." + b"x" * 100,
        b"PK\x03\x04" + b"\x00" * 100,
        b"<!DOCTYPE html><html>...</html>",
        _of(b"not json"),
        _of(b"[]"),
        _of(b"3"),
        _of(b'"a"'),
        _of(b"\xff\xfe{}"),
        _of(b'{"a": 3}'),
        _of(b'{"a": {}}'),
        _of(b'{"a": {"dtype": "F16", "shape": [1]}}'),
        _of(b'{"a": {"dtype": "F16", "shape": 1, "data_offsets": [0, 2]}}'),
        _of(b'{"a": {"dtype": "F16", "shape": ["x"], "data_offsets": [0, 0]}}'),
        _of(b'{"a": {"dtype": "F16", "shape": [-5], "data_offsets": [0, 0]}}'),
        _of(b'{"a": {"dtype": "F16", "shape": [], "data_offsets": []}}'),
        _of(b'{"a": {"dtype": "F16", "shape": [], "data_offsets": [0, "x"]}}'),
        _of(b'{"__metadata__": 3}'),
        _of(b'{"__metadata__": {"modelspec.prediction_type": 3}}'),
        _of(b"[" * 200_000),
        _of(b'{"a":' * 200_000),
    ],
    ids=lambda data: repr(data[8:40]),
)
def test_invalid_header_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(data)
    with pytest.raises(ModelDamagedError) as caught:
        read_header(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_offset_is_refused(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 10**9]}}
    (tmp_path / "m").write_bytes(_of(json.dumps(header).encode()) + b"xx")
    with pytest.raises(ModelDamagedError, match=r"999,999,998 of 1,000,000,000 bytes"):
        read_header(tmp_path / "m")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ModelNotFoundError, match="can't be read"):
            read_header(path)


def test_file_with_bytes_behind_its_weights_is_refused(tmp_path: Path) -> None:
    file = safetensors(tmp_path / "m", {"a": (3,)})
    with file.open("ab") as opened:
        opened.write(bytes(1000))
    with pytest.raises(ModelDamagedError, match="1,000 bytes behind its weights"):
        read_header(file)
