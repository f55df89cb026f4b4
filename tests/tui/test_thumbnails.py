"""Thumbnails: made on other threads, on disk, and drawn."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.errors import ImageError
from sdtui.tui.images.loader import PictureLoader, ShownPicture, picture_of
from sdtui.tui.images.thumbnail_files import LARGEST, ThumbnailFiles
from sdtui.tui.images.thumbnails import UNREADABLE, Frame, Thumbnails
from tests.support.fake_pictures import FakePictures
from tests.support.records import picture

FRAME = Frame(12, 6, "truecolor")


@pytest.fixture
def loader() -> PictureLoader:
    return PictureLoader(lambda: FakePictures("a", "b", "c"))


@pytest.fixture
def files(tmp_path: Path, loader: PictureLoader) -> ThumbnailFiles:
    return ThumbnailFiles(tmp_path / "cache", loader)


def saved(folder: Path, name: str = "a.png", colour: str = "navy") -> ShownPicture:
    picture(200, 100, colour).save(folder / name)
    return ShownPicture(folder / name)


def made_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.webp"))


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


def test_thumbnail_is_small_and_made_once(
    files: ThumbnailFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = saved(tmp_path)
    assert files.load(shown).size == (LARGEST, LARGEST // 2)
    (file,) = made_in(tmp_path / "cache")
    assert file.stat().st_size < 2000
    monkeypatch.delattr(PictureLoader, "load")
    assert files.load(shown).size == (LARGEST, LARGEST // 2)


def test_changed_picture_gets_another_thumbnail(files: ThumbnailFiles, tmp_path: Path) -> None:
    shown = saved(tmp_path)
    assert files.load(shown).getpixel((5, 5))[2] > 90  # type: ignore[index]
    saved(tmp_path, colour="red")
    os.utime(shown.path, (1, 1))
    assert files.load(shown).getpixel((5, 5))[0] > 200  # type: ignore[index]


def test_picture_of_another_machine_gets_one_too(files: ThumbnailFiles) -> None:
    entry = FakePictures("a").entries().entries[0]
    assert files.load(picture_of(entry)).size == (64, 64)


def test_damaged_thumbnail_is_made_again(files: ThumbnailFiles, tmp_path: Path) -> None:
    shown = saved(tmp_path)
    files.load(shown)
    (file,) = made_in(tmp_path / "cache")
    whole = file.read_bytes()
    file.write_bytes(whole[:20])
    assert files.load(shown).size == (LARGEST, LARGEST // 2)
    assert file.read_bytes() == whole


def test_least_used_thumbnails_are_deleted_when_there_are_too_many(
    tmp_path: Path, loader: PictureLoader
) -> None:
    files = ThumbnailFiles(tmp_path / "cache", loader)
    by_name = {}
    for number, name in enumerate(("a", "b", "c", "d", "e")):
        before = set(made_in(tmp_path / "cache"))
        files.load(saved(tmp_path, name + ".png"))
        (by_name[name],) = set(made_in(tmp_path / "cache")) - before
        os.utime(by_name[name], (100 + number, 100 + number))
    files.load(ShownPicture(tmp_path / "a.png"))  # used later than all others
    size = by_name["a"].stat().st_size
    limited = ThumbnailFiles(tmp_path / "cache", loader, most_bytes=5 * size)
    limited.load(saved(tmp_path, "f.png"))
    left = set(made_in(tmp_path / "cache"))
    assert len(left) == 4
    assert {by_name[name] for name in "ade"} < left


def test_folder_that_cannot_be_written_costs_only_the_cache(
    tmp_path: Path, loader: PictureLoader
) -> None:
    (tmp_path / "cache").write_text("a file")
    files = ThumbnailFiles(tmp_path / "cache", loader)
    assert files.load(saved(tmp_path)).size == (LARGEST, LARGEST // 2)


class HeldFiles(ThumbnailFiles):
    """Makes thumbnails as soon as it is allowed."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), PictureLoader(FakePictures))
        self.free = threading.Event()
        self.made: list[str] = []

    def load(self, picture: ShownPicture) -> Image.Image:
        self.free.wait(20)
        self.made.append(picture.path.name)
        if picture.path.name == "damaged":
            raise ImageError("damaged")
        return Image.new("RGB", (96, 48), "red")


@pytest.fixture
def held() -> HeldFiles:
    return HeldFiles()


@pytest.fixture
def calls() -> list[int]:
    return []


@pytest.fixture
def thumbnails(held: HeldFiles, calls: list[int]) -> Iterator[Thumbnails]:
    made = Thumbnails(lambda: held, lambda: calls.append(1))
    yield made
    held.free.set()
    made.close()


def pictures(*names: str) -> list[ShownPicture]:
    return [ShownPicture(Path("/pictures") / name) for name in names]


def test_thumbnail_is_drawn_as_large_as_its_frame_allows(
    thumbnails: Thumbnails, held: HeldFiles
) -> None:
    held.free.set()
    (shown,) = pictures("a")
    assert thumbnails.get(shown, FRAME) is None
    thumbnails.request([shown], FRAME)
    until(lambda: thumbnails.get(shown, FRAME))
    drawn = thumbnails.get(shown, FRAME)
    assert drawn is not None
    assert (drawn.columns, len(drawn.lines)) == (12, 3)
    assert thumbnails.take_new() == [shown]
    assert thumbnails.take_new() == []


def test_requests_that_are_no_longer_visible_are_dropped(
    thumbnails: Thumbnails, held: HeldFiles
) -> None:
    thumbnails.request(pictures("a", "b", "c", "d", "e"), FRAME)
    until(lambda: len(thumbnails._begun) == 2)
    thumbnails.request(pictures("x", "y", "a"), FRAME)
    held.free.set()
    until(lambda: len(held.made) == 4)
    time.sleep(0.05)
    assert sorted(held.made) == ["a", "b", "x", "y"]


def test_several_new_thumbnails_are_reported_once_until_they_are_taken(
    thumbnails: Thumbnails, held: HeldFiles, calls: list[int]
) -> None:
    held.free.set()
    thumbnails.request(pictures("a", "b", "c"), FRAME)
    until(lambda: len(thumbnails._new) == 3)
    assert len(calls) == 1
    assert len(thumbnails.take_new()) == 3
    thumbnails.request(pictures("a", "d"), FRAME)
    until(lambda: len(calls) == 2)
    assert held.made.count("a") == 1


def test_unreadable_picture_gets_a_sign_and_is_not_tried_again(
    thumbnails: Thumbnails, held: HeldFiles
) -> None:
    held.free.set()
    (shown,) = pictures("damaged")
    thumbnails.request([shown], FRAME)
    until(lambda: thumbnails.get(shown, FRAME))
    assert thumbnails.get(shown, FRAME) is UNREADABLE
    thumbnails.request([shown], FRAME)
    assert not thumbnails._pending


def test_least_used_drawings_leave_the_memory(
    thumbnails: Thumbnails, held: HeldFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdtui.tui.images.thumbnails._MOST_CELLS", 100)
    held.free.set()
    a, b, c = pictures("a", "b", "c")
    for shown in (a, b, a, c):
        thumbnails.request([shown], FRAME)
        until(lambda: thumbnails.get(shown, FRAME))  # noqa: B023
    assert thumbnails.get(a, FRAME)
    assert thumbnails.get(b, FRAME) is None
    assert thumbnails.get(c, FRAME)
