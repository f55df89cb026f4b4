"""Bodies: their size, their encoding, and pictures in them."""

from __future__ import annotations

import base64
import gc
import gzip
import io
import random
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import CoroutineType
from typing import Any

import httpx
import pytest
from PIL import Image

from sdtui.core.errors import ImageError
from sdtui.server.middleware.body_limit import BodyLimitMiddleware
from tests.support.live_server import KEY, PATIENCE, Live, live
from tests.support.scripted_generator import ScriptedGenerator


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", b'{"prompt": "x", "sampler": "\\ud800"}'),
        ("/generate", b'{"prompt": "x", "\\ud800": 1}'),
        ("/generate", b'{"prompt": "\xff"}'),
        ("/generate", b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}"),
        ("/sdapi/v1/options", b'{"sd_model_checkpoint": "\\udfff"}'),
        ("/sdapi/v1/txt2img", b'{"override_settings": {"a": "\\ud800"}}'),
        ("/sdapi/v1/txt2img", b'{"override_settings": ' + b'{"a":' * 500 + b"1" + b"}" * 501),
        ("/v1/images/generations", b"[" * 90_000),
        ("/sdapi/v1/png-info", b'{"image": "\\ud800"}'),
    ],
)
def test_json_that_cannot_be_encoded_again_is_refused(
    scripted: Live, path: str, body: bytes
) -> None:
    with scripted.client() as ask:
        answer = ask.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "not valid JSON" in answer.text


def test_body_that_is_not_json_is_refused_with_its_content_type(scripted: Live) -> None:
    with scripted.client() as ask:
        header = {"Content-Type": "text/plain"}
        answer = ask.post("/generate", content=b'{"prompt": "x"}', headers=header)
        assert answer.status_code == 422
        assert "Content-Type: application/json" in answer.json()["error"]["message"]
        with_mark = b'\xef\xbb\xbf{"prompt": "x"}'
        headers = {"Content-Type": "application/json"}
        assert ask.post("/jobs", content=with_mark, headers=headers).status_code == 202
        form = ask.post(
            "/v1/images/edits",
            content=b'--a\r\nContent-Disposition: form-data; name="size"\r\n\r\n\\ud800\r\n--a--',
            headers={"Content-Type": "multipart/form-data; boundary=a; charset=unicode_escape"},
        )
        assert form.status_code == 415
        slow_codec = ask.post(
            "/v1/images/edits",
            content=b"--B--",
            headers={"Content-Type": 'multipart/form-data; boundary=B; charset="punycode"'},
        )
        assert slow_codec.status_code == 415
        assert "UTF-8" in slow_codec.json()["error"]["message"]
        as_json = ask.post("/v1/images/edits", json={"prompt": "x"})
        assert as_json.status_code == 415
        assert "must be a form" in as_json.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/generate", "/sdapi/v1/txt2img", "/v1/images/generations"])
def test_json_without_a_content_type_is_accepted(scripted: Live, path: str) -> None:
    with scripted.client() as ask:
        answer = ask.post(path, content=b'{"prompt": "x"}')
        assert "content-type" not in answer.request.headers
        assert answer.status_code == 200
        other = {"Origin": "http://evil.example"}
        assert ask.post(path, content=b'{"prompt": "x"}', headers=other).status_code == 403


@pytest.mark.parametrize("values", [b"[]," * 100_000 + b"[]", b"{}," * 100_000 + b"{}"])
def test_body_of_very_many_values_is_refused(scripted: Live, values: bytes) -> None:
    body = b'{"prompt": "x", "override_settings": {"a": [' + values + b"]}}"
    with scripted.client(headers={"Content-Type": "application/json"}) as ask:
        for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            answer = ask.post(path, content=body)
            assert answer.status_code == 413
            assert "more than 100,000 values" in answer.text


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 5\r\nContent-Length: 61",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: -5",
    ],
)
def test_request_smuggling_is_refused(scripted: Live, lengths: str) -> None:
    head = f"POST /sdapi/v1/interrupt HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n"
    behind = "0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(scripted.address, PATIENCE) as raw:
        raw.sendall((head + behind).encode())
        answers = b""
        with suppress(ConnectionResetError):
            while part := raw.recv(10_000):
                answers += part
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1


def test_body_size_is_limited_while_it_arrives(locked: Live) -> None:
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 10_000
            yield b" " * 10_000

    with locked.client() as ask:
        announced = ask.post("/generate", headers=headers, content=b" " * 100_001)
        assert announced.status_code == 413
        assert announced.json()["error"]["type"] == "ContentTooLarge"
    # The server may also hang up before everything was sent.
    with locked.client() as ask, suppress(httpx.WriteError, httpx.ReadError):
        assert ask.post("/generate", headers=headers, content=chunks()).status_code == 413
    assert sent < 100_000_000
    with locked.client() as ask:
        assert ask.get("/livez").text == "ok"


def test_compressed_bodies_are_refused(locked: Live) -> None:
    headers = {"X-API-Key": KEY, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    with locked.client() as ask:
        refused = ask.post("/generate", headers=headers, content=gzip.compress(b'{"prompt": "x"}'))
        assert refused.status_code == 415
        assert "Content-Encoding" in refused.json()["error"]["message"]
        assert ask.get("/health", headers=headers).status_code == 200


def test_total_size_of_bodies_is_limited(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BodyLimitMiddleware, "concurrent_bodies", 1)
    head = "POST /generate HTTP/1.1\r\nHost: localhost\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 90001\r\n\r\n"
    headers = {"Content-Type": "application/json"}
    body = b'{"prompt": "x"}' + b" " * 80_000
    with (
        live(tmp_path, lambda _: generator, queue_limit=1, max_body=100_000) as running,
        running.client() as ask,
    ):
        with ExitStack() as slow:
            for _ in range(2):
                one = slow.enter_context(socket.create_connection(running.address, PATIENCE))
                one.sendall(head.encode() + b" " * 90_000)
            answers: list[httpx.Response] = []
            while not answers or answers[-1].status_code == 200:  # until both have been read
                answers.append(ask.post("/generate", headers=headers, content=body))
            assert answers[-1].status_code == 429
            assert answers[-1].headers["retry-after"] == "5"
            assert "as large as allowed" in answers[-1].json()["error"]["message"]
        running.until(lambda: not running.server.server_state.tasks)
        assert ask.post("/generate", headers=headers, content=body).status_code == 200


def _png_of(width: int, height: int) -> str:
    """Return a PNG whose header declares this size; it has few pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + (chunk(b"IEND", b""))
    )
    return base64.b64encode(data).decode()


def test_huge_picture_is_refused_before_decoding(locked: Live) -> None:
    with locked.client(headers={"X-API-Key": KEY}) as ask:
        for width, height in ((101, 100), (50_000, 50_000), (2**31 - 1, 2**31 - 1)):
            body = {"prompt": "x", "init_image": _png_of(width, height)}
            assert ask.post("/generate", json=body).status_code == 400
        files = {"image": ("a.png", base64.b64decode(_png_of(50_000, 50_000)))}
        edit = ask.post("/v1/images/edits", data={"prompt": "x"}, files=files)
        assert edit.status_code == 400
    assert not list(locked.services.uploads._folder.glob("*"))


def test_native_size_is_limited_too(tmp_path: Path, generator: ScriptedGenerator) -> None:
    with (
        live(tmp_path, lambda _: generator, max_pixels=100 * 100) as running,
        running.client() as ask,
    ):
        for path in ("/generate", "/jobs", "/sdapi/v1/txt2img", "/v1/images/generations"):
            answer = ask.post(path, json={"prompt": "x"})
            assert answer.status_code in (400, 422), path
            assert "128x128 is more than this server's 10,000 pixels" in answer.text


def test_upload_keeps_its_pixels_even_with_damaged_orientation(
    locked: Live,
) -> None:
    # There is no pixel data after this header.
    assert locked.services.uploads.check(base64.b64decode(_png_of(64, 32))) == (64, 32)
    for kind in ("WEBP", "PNG", "JPEG"):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64)).save(buffer, kind, exif=b"II*\0")
        body = {"prompt": "x", "init_image": base64.b64encode(buffer.getvalue()).decode()}
        with locked.client(headers={"X-API-Key": KEY}) as ask:
            assert ask.post("/generate", json=body).status_code == 200, kind


def test_upload_in_an_unsupported_format_is_refused(locked: Live) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "TIFF")
    body = {"prompt": "x", "init_image": base64.b64encode(buffer.getvalue()).decode()}
    with locked.client(headers={"X-API-Key": KEY}) as ask:
        assert ask.post("/generate", json=body).status_code == 400


def _noise(side: int) -> str:
    """Return a PNG of noise as base64."""
    buffer = io.BytesIO()
    image = Image.frombytes("RGB", (side, side), random.Random(side).randbytes(side * side * 3))
    image.save(buffer, "PNG", compress_level=0)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x", "negative_prompt": "x" * 2**21},
        {"prompt": "x", "alwayson_scripts": {"a": {"args": [False, "x" * 2**21]}}},
        {"prompt": "x", "override_settings": {"x" * 2**21: 1}},
        {"prompt": "x", "override_settings": {"a": [["x" * 1000] * 1100]}},
        {"prompt": "x", "infotext": "\U0001f600" * 2**20},
    ],
)
def test_only_pictures_may_be_long(scripted: Live, body: dict[str, Any]) -> None:
    with scripted.client() as ask:
        for path in ("/sdapi/v1/txt2img", "/generate", "/v1/images/generations"):
            answer = ask.post(path, json=body)
            assert answer.status_code == 413
            assert "without its pictures" in answer.text


def test_form_with_long_texts_or_many_parts_is_refused(scripted: Live) -> None:
    picture = {"image": ("a.png", base64.b64decode(_noise(8)))}
    with scripted.client() as ask:
        long = {"prompt": "x", "a": "x" * 600_000, "b": "x" * 600_000}
        answer = ask.post("/v1/images/edits", data=long, files=picture)
        assert answer.status_code == 413
        many = {"prompt": "x", **{str(number): "x" for number in range(300)}}
        assert ask.post("/v1/images/edits", data=many, files=picture).status_code == 400
        files = [("image", ("a.png", b"x"))] * 100
        answer = ask.post("/v1/images/edits", data={"prompt": "x"}, files=files)
        assert answer.status_code == 400


def _held_by(holder: object) -> Iterator[object]:
    """The values of a container, or what the frame of a coroutine holds."""
    for each in gc.get_referents(holder):
        yield each
        if isinstance(each, dict) and not gc.is_tracked(each):  # not one of gc.get_objects()
            yield from each.values()


def test_waiting_request_holds_no_picture_in_memory(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    picture = _noise(600)
    assert len(picture) > 2**20
    answers: list[int] = []

    def img2img(path: str, body: dict[str, Any]) -> None:
        with running.client() as client:
            if path.startswith("/models"):
                data = base64.b64decode(picture)
                answers.append(client.post(path, content=data).status_code)
            elif path.startswith("/v1"):
                files = {"image": ("a.png", base64.b64decode(picture))}
                answers.append(client.post(path, data=body, files=files).status_code)
            else:
                answers.append(client.post(path, json=body).status_code)

    with live(tmp_path, lambda _: generator) as running:
        generator.hold.set()
        requests: list[tuple[str, dict[str, Any]]] = [
            ("/sdapi/v1/img2img", {"init_images": [picture]}),
            ("/generate", {"init_image": picture, "prompt": "x"}),
            ("/generate", {"image_to_image": {"image": picture}, "prompt": "x"}),
            ("/v1/images/edits", {"prompt": "x"}),
            ("/models/pocket", {}),
        ]
        threads = [threading.Thread(target=img2img, args=each) for each in requests]
        for thread in threads:
            thread.start()
        running.until(lambda: len(running.backend.jobs.jobs()) == len(requests))
        gc.collect()
        large = [
            each
            for holder in gc.get_objects()
            if isinstance(holder, dict | list | tuple | CoroutineType)
            for each in _held_by(holder)
            if isinstance(each, str | bytes | bytearray) and len(each) > 2**19
        ]
        assert all(each is picture for each in large)  # the one of this test
        uploads = list(running.services.uploads._folder.iterdir())
        assert len(uploads) == len(requests)
        assert {each.stat().st_mode & 0o777 for each in uploads} == {0o600}
        generator.hold.clear()
        for thread in threads:
            thread.join(PATIENCE)
        assert answers == [200] * len(requests)
        running.until(lambda: not list(running.services.uploads._folder.iterdir()))


def test_picture_of_a_refused_request_is_deleted(scripted: Live) -> None:
    picture = _noise(200)
    unit = {"image": picture, "enabled": True, "weight": "much"}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/sdapi/v1/img2img", {"init_images": [picture], "steps": -1}),
        ("/sdapi/v1/img2img", {"init_images": [picture, "not base64"]}),
        ("/sdapi/v1/img2img", {"init_images": [picture], "mask": "not base64"}),
        ("/sdapi/v1/txt2img", {"alwayson_scripts": {"controlnet": {"args": [unit]}}}),
        ("/generate", {"init_image": picture, "prompt": "x", "unknown": 1}),
        ("/generate", {"init_image": picture, "prompt": "x", "width": 2**20}),
        ("/generate", {"image": picture, "prompt": "x"}),
    ]
    with scripted.client() as ask:
        for path, body in bodies:
            assert ask.post(path, json=body).status_code in (400, 422), body.keys()
        assert ask.post("/sdapi/v1/png-info", json={"image": picture}).status_code == 200
        switched_off = {"controlnet": {"args": [{"image": picture, "enabled": False}]}}
        answer = ask.post("/sdapi/v1/txt2img", json={"alwayson_scripts": switched_off})
        assert answer.status_code == 200
        assert len(answer.text) < 10_000
    assert not list(scripted.services.uploads._folder.iterdir())


@pytest.mark.parametrize("separator", ["", "\n", "\r\n", " "])
def test_base64_may_have_lines(scripted: Live, separator: str) -> None:
    picture = _noise(1000)
    lines = [picture[start : start + 76] for start in range(0, len(picture), 76)]
    data = scripted.services.uploads.decode_base64(separator.join(lines))
    assert base64.b64encode(data).decode() == picture
    for wrong in (picture[:-1], picture + "!", "\u00e9" + picture):
        with pytest.raises(ImageError, match="base64"):
            scripted.services.uploads.decode_base64(wrong)


def test_forms_need_no_folder_for_temporary_files(
    scripted: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/dev/null/no folder")
    files = {"image": ("a.png", base64.b64decode(_noise(800)))}
    assert len(files["image"][1]) > 2**20
    with scripted.client() as ask:
        answer = ask.post("/v1/images/edits", data={"prompt": "x"}, files=files)
        assert answer.status_code == 200


def test_upload_that_cannot_be_stored_is_507_and_logged(
    scripted: Live, caplog: pytest.LogCaptureFixture
) -> None:
    folder = scripted.services.uploads._folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_bytes(b"in the way")
    picture = _noise(200)
    with scripted.client() as ask:
        files = {"image": ("a.png", base64.b64decode(picture))}
        answers = [
            ask.post("/v1/images/edits", data={"prompt": "x"}, files=files),
            ask.post("/sdapi/v1/img2img", json={"init_images": [picture]}),
            ask.post("/generate", json={"prompt": "x", "init_image": picture}),
            ask.post("/sdapi/v1/png-info", json={"image": picture}),
        ]
    for answer in answers:
        assert answer.status_code == 507
        assert "can't be stored" in answer.text
        assert str(folder.parent) not in answer.text
    assert caplog.text.count("can't be stored") == len(answers)
