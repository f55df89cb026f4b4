"""Uploaded pictures exist as long as a job needs them, and no longer."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdtui.core.errors import ImageError
from sdtui.jobs import JobState
from sdtui.server.services.uploads import Uploads
from tests.support.images import png_base64
from tests.support.live_server import PATIENCE, Live, job_state, live
from tests.support.scripted_generator import ScriptedGenerator


class _Looking(ScriptedGenerator):
    """Records whether each job's picture exists when the job begins."""

    def __init__(self) -> None:
        super().__init__()
        self.there: list[bool] = []

    def generate_with_fallback(self, request: Any, **options: Any) -> Any:
        self.there += [path.is_file() for path in request.input_images().values()]
        return super().generate_with_fallback(request, **options)


def test_received_picture_may_go_into_several_requests(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 10_000)
    kept, unused = uploads.receive(png_base64()), uploads.receive(png_base64())
    for _ in range(2):
        path = uploads.path_for(kept)
        assert path == tmp_path / kept
        uploads.keep({path: kept})
    uploads.discard((kept, unused))
    assert [each.name for each in tmp_path.iterdir()] == [kept]
    assert uploads.path_for(kept) != tmp_path / kept


def test_upload_is_deleted_if_the_queue_is_full(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    uploads = scripted.services.uploads._folder
    generator.hold.set()
    with scripted.client() as ask:
        for path, picture in (
            ("/sdapi/v1/img2img", {"init_images": [png_base64()]}),
            ("/generate", {"init_image": png_base64()}),
        ):
            text = json.dumps({"prompt": "x", **picture})
            # The queue has a free place when the request begins, but not when its body has arrived.
            with socket.create_connection(scripted.address, PATIENCE) as slow:
                head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
                head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
                slow.sendall((head + text[:100]).encode())
                scripted.until(lambda: len(scripted.server.server_state.tasks) == 1)
                time.sleep(0.1)
                jobs = [ask.post("/jobs", json={"prompt": "x"}) for _ in range(4)]
                assert jobs[-1].status_code == 429
                slow.sendall(text[100:].encode())
                assert slow.recv(100).startswith(b"HTTP/1.1 429 ")
            assert not list(uploads.glob("*"))
            for job in jobs[:2]:
                ask.delete(job.json()["url"])
        generator.hold.clear()


def test_uploads_of_a1111_clients_are_deleted(scripted: Live) -> None:
    body = {"prompt": "x", "init_images": [png_base64()]}
    with scripted.client() as ask:
        assert ask.post("/sdapi/v1/img2img", json=body).status_code == 200
    assert not list(scripted.services.uploads._folder.iterdir())


def test_upload_is_deleted_if_the_server_is_closing(scripted: Live) -> None:
    uploads = scripted.services.uploads._folder
    check_capacity = scripted.backend.jobs.check_capacity

    def end_meanwhile() -> None:
        check_capacity()
        scripted.backend.jobs.finish()

    scripted.backend.jobs.check_capacity = end_meanwhile  # type: ignore[method-assign]
    with scripted.client() as ask:
        for path, picture in (
            ("/sdapi/v1/img2img", {"init_images": [png_base64()]}),
            ("/generate", {"init_image": png_base64()}),
        ):
            refused = ask.post(path, json={"prompt": "x", **picture})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert not list(uploads.iterdir())


def test_full_disk_refuses_the_upload_and_leaves_no_partial_file(
    scripted: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def half(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", half)
    body = {"prompt": "x", "init_image": png_base64()}
    with scripted.client() as ask:
        answer = ask.post("/generate", json=body)
    assert answer.status_code == 507
    assert "No space left on device. Make room" in answer.json()["error"]["message"]
    assert not list(scripted.services.uploads._folder.iterdir())


def test_upload_of_a_saved_job_survives_a_restart(tmp_path: Path) -> None:
    generator = _Looking()
    uploads = tmp_path / "state" / "sdtui" / "server" / "uploads"
    with live(tmp_path, lambda _: generator, grace=0.2) as running, running.client() as ask:
        generator.hold.set()
        jobs = [
            ask.post("/jobs", json={"prompt": "x", "init_image": png_base64()}).json()
            for _ in range(3)
        ]
        running.until(lambda: job_state(running, jobs[0]) is JobState.RUNNING)
        ask.delete(jobs[2]["url"])
        running.until(lambda: len(list(uploads.iterdir())) == 2)
    assert len(list(uploads.iterdir())) == 2
    generator.hold.clear()
    with live(tmp_path, lambda _: generator) as again, again.client() as ask:
        for job in jobs[:2]:
            again.until(lambda: ask.get(job["url"]).json()["state"] == "done")  # noqa: B023
    assert generator.there == [True, True, True]
    assert not list(uploads.iterdir())


def test_upload_is_not_deleted_before_images_after_a_skipped_one_are_done(tmp_path: Path) -> None:
    generator = _Looking()
    body = {"prompt": "x", "n_iter": 3, "init_images": [png_base64()]}
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        generator.hold.set()
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(ask.post, "/sdapi/v1/img2img", json=body)
            running.until(lambda: len(generator.there) == 1)
            with running.client() as other:
                other.post("/sdapi/v1/skip")
            running.until(lambda: len(generator.there) == 2)
            time.sleep(0.2)  # the queue's file is written meanwhile, and pictures are cleared away
            generator.hold.clear()
            assert len(waiting.result().json()["images"]) == 2
    assert generator.there == [True, True]


def test_jpeg_with_very_many_scans_is_refused(scripted: Live) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scripted.services.uploads.check(data)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    many = data[:-2] + last_scan * 200 + data[-2:]
    with pytest.raises(ImageError, match="more than 100 scans"):
        scripted.services.uploads.check(many)


def test_scans_inside_segments_and_behind_the_picture_do_not_count(scripted: Live) -> None:
    jpeg = _file("JPEG")
    thumbnails = (b"\xff\xe1\x00\x06\xff\xda\xff\xda") * 200
    film = b"\xff\xda\x00\x02" * 200
    check = scripted.services.uploads.check
    assert check(jpeg[:2] + thumbnails + jpeg[2:] + film) == (64, 64)


@pytest.mark.parametrize("fill", [b"", b"\xff", b"\xff\x01", b"\xff\xd0", b"\xff\xe1\x00\x04ab"])
def test_scans_behind_other_markers_count(scripted: Live, fill: bytes) -> None:
    jpeg = _file("JPEG")
    scan = fill + jpeg[jpeg.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="more than 100 scans"):
        scripted.services.uploads.check(jpeg[:-2] + scan * 200 + jpeg[-2:])


def test_picture_with_a_very_long_side_is_refused(scripted: Live) -> None:
    buffer = io.BytesIO()
    Image.new("1", (1, 70_000)).save(buffer, "PNG")
    with pytest.raises(ImageError, match="1×70000 pixels: a side is longer than 65,535"):
        scripted.services.uploads.check(buffer.getvalue())


def _file(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, kind)
    return buffer.getvalue()


def _png_chunk(kind: bytes) -> bytes:
    return struct.pack(">I", 0) + kind + struct.pack(">I", zlib.crc32(kind))


@pytest.mark.parametrize(
    ("kind", "place", "part"),
    [
        ("PNG", 33, _png_chunk(b"abCd")),
        ("PNG", 33, _png_chunk(b"tEXt")),
        ("JPEG", 2, b"\xff\xfe\x00\x02"),
        ("JPEG", 2, b"\xff\xe1\x00\x08Exif\0\0"),
        ("JPEG", 2, b"\xff"),
        ("JPEG", 2, b"\xff\xd0"),
        ("JPEG", -2, b"\xff\xfe\x00\x02"),
        ("GIF", 19, b"!\xfe\x00"),
        ("GIF", 19, b"!\xfe\x01a\x00"),
        ("GIF", 19, b"\x00"),
    ],
)
def test_picture_of_very_many_parts_is_refused(
    scripted: Live, kind: str, place: int, part: bytes
) -> None:
    whole = _file(kind)
    some = whole[:place] + part * 100 + whole[place:]
    assert scripted.services.uploads.check(some) == (64, 64)
    many = whole[:place] + part * 100_000 + whole[place:]
    started = time.process_time()
    with pytest.raises(ImageError):
        scripted.services.uploads.check(many)
    assert time.process_time() - started < 2
