"""Damaged and hostile pictures: they are read within limits, or refused with an error."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from pathlib import Path

import pytest

from sdtui.core.errors import ImageError
from sdtui.history.image_metadata import MAX_ALL_TEXTS, read_texts
from sdtui.history.importers import read_picture_settings
from tests.support.foreign_pictures import A1111, COMFYUI, png, with_comment


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(path: Path, *chunks: bytes, size: tuple[int, int] = (64, 64)) -> Path:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b""))
    return path


def test_texts_are_inflated_up_to_a_limit_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inflated = 0
    decompressobj = zlib.decompressobj

    class Counting:
        def __init__(self) -> None:
            self._stream = decompressobj()

        def decompress(self, data: bytes, limit: int) -> bytes:
            nonlocal inflated
            text = self._stream.decompress(data, limit)
            inflated += len(text)
            return text

        @property
        def eof(self) -> bool:
            return self._stream.eof

    monkeypatch.setattr("sdtui.history.image_metadata.zlib.decompressobj", Counting)
    bombs = [chunk(b"zTXt", b"%d\0\0" % number + BOMB) for number in range(20)]
    path = raw_png(tmp_path / "a.png", chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x")), *bombs)
    assert read_texts(path).texts == {"a": "x"}
    assert inflated <= MAX_ALL_TEXTS


DEEP = "[" * 100_000


BOMB = zlib.compress(b"a" * 200_000_000, 9)


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (chunk(b"zTXt", b"parameters\0\0" + BOMB),),
        (chunk(b"iTXt", b"parameters\0\1\0\0\0" + BOMB),) * 20,
        (chunk(b"tEXt", b"parameters\0" + b"a" * 5_000_000),),
        (b"\xff\xff\xff\xfftEXtparameters\0x",),
        (chunk(b"zTXt", b"parameters\0\0not zlib"),),
        (chunk(b"tEXt", b"parameters\0{" + DEEP.encode()),),
        (chunk(b"tEXt", b"prompt\0{" + DEEP.encode()),),
        (chunk(b"tEXt", b"prompt\0{}"),),
        (chunk(b"tEXt", b'prompt\0{"1": {"class_type": "KSampler", "inputs": {}}}'),),
        (chunk(b"tEXt", b"invokeai_metadata\0[]"),),
        (chunk(b"tEXt", b'invokeai_metadata\0{"scheduler": "x", "model": "text"}'),),
        (chunk(b"tEXt", b'sd-metadata\0{"image": []}'),),
        (chunk(b"tEXt", b'sd-metadata\0{"image": {"sampler": "x", "prompt": 5}}'),),
        (chunk(b"tEXt", b"Dream\0" + b'"' * 100_000),),
        (chunk(b"tEXt", b"Comment\0{}"), chunk(b"tEXt", b"Source\0x")),
        (chunk(b"tEXt", b"sdtui\0{}"),),
        (chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),),
        (
            chunk(
                b"eXIf",
                b"MM\0*\0\0\0\x08\xff\xff" + b"\x92\x86\0\7\xff\xff\xff\xff\xff\xff\xff\xff" * 99,
            ),
        ),
    ],
    ids=str,
)
def test_hostile_chunks_raise_an_image_error(tmp_path: Path, chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(ImageError) as caught:
        read_picture_settings(raw_png(tmp_path / "a.png", *chunks))
    assert caught.value.hint


def test_cyclic_and_huge_graphs_are_read_without_a_prompt(tmp_path: Path) -> None:
    circle = json.loads(json.dumps(COMFYUI))
    circle["10"]["inputs"]["model"] = ["3", 0]
    circle["6"]["inputs"]["text"] = ["6", 0]
    assert (
        "prompt"
        not in read_picture_settings(png(tmp_path / "a.png", prompt=json.dumps(circle))).values
    )
    huge = {str(number): COMFYUI["4"] for number in range(2001)}
    with pytest.raises(ImageError, match="nodes"):
        read_picture_settings(png(tmp_path / "b.png", prompt=json.dumps(huge)))


def test_picture_with_a_huge_size_is_not_decoded(tmp_path: Path) -> None:
    path = raw_png(
        tmp_path / "a.png", chunk(b"tEXt", b"parameters\0" + A1111.encode()), size=(2**30, 2**30)
    )
    assert read_picture_settings(path).values["width"] == 512


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_truncated_picture_is_read_or_raises_an_image_error(tmp_path: Path, ending: str) -> None:
    if ending == "png":
        whole = png(tmp_path / "whole.png", parameters=A1111).read_bytes()
    else:
        comment = b"UNICODE\0" + A1111.encode("utf-16-be")
        whole = with_comment(tmp_path / f"whole.{ending}", comment).read_bytes()
    path = tmp_path / f"cut.{ending}"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with contextlib.suppress(ImageError):
            read_picture_settings(path)


def test_file_that_is_not_a_picture_raises_an_image_error(tmp_path: Path) -> None:
    pipe, text = tmp_path / "pipe.png", tmp_path / "text.png"
    os.mkfifo(pipe)
    text.write_text("hello")
    for path in (pipe, text, tmp_path, tmp_path / "missing.png"):
        with pytest.raises(ImageError, match="can't be read"):
            read_picture_settings(path)
