"""The sources of the app's pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.core.errors import ImageError
from sdtui.jobs import JobPicture, PictureId
from sdtui.jobs.backends.pictures import LocalPictures
from sdtui.requests.record import Attachment
from sdtui.requests.request import GenerationRequest
from sdtui.tui.images import loader as loader_module
from sdtui.tui.images.loader import PictureLoader, ShownPicture, made_from, picture_of
from tests.support.fake_pictures import FakePictures
from tests.support.records import picture, record


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalPictures]:
    with LocalPictures(tmp_path / "pictures", index_file=tmp_path / "index.db") as pictures:
        yield pictures


@pytest.fixture
def saved(local: LocalPictures) -> ShownPicture:
    """A picture of the history on this machine."""
    return picture_of(local.get(local.save(picture(), record(), 0).path))


def test_local_picture_is_not_copied(
    local: LocalPictures, saved: ShownPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(LocalPictures, "read")
    assert PictureLoader(lambda: local).load(saved).size == (64, 64)


def test_picture_that_a_link_leads_to_is_shown(
    local: LocalPictures, saved: ShownPicture, tmp_path: Path
) -> None:
    target = saved.path.rename(tmp_path / "elsewhere.png")
    saved.path.symlink_to(target)
    assert local.local_file(local.get(saved.path).id) is None
    loader = PictureLoader(lambda: local)
    assert loader.load(saved).size == (64, 64)
    assert loader.exists(saved)


def test_picture_of_a_forgotten_job_is_shown(local: LocalPictures, saved: ShownPicture) -> None:
    forgotten = ShownPicture(saved.path, JobPicture("gone", 0))
    assert PictureLoader(lambda: local).load(forgotten).size == (64, 64)


def test_deleted_picture_is_reported(local: LocalPictures, saved: ShownPicture) -> None:
    loader = PictureLoader(lambda: local)
    assert loader.exists(saved)
    saved.path.unlink()
    assert not loader.exists(saved)
    with pytest.raises(ImageError, match=r"can't be shown: .*\. The file may be damaged, moved"):
        loader.load(saved)


def test_damaged_picture_is_reported(local: LocalPictures, saved: ShownPicture) -> None:
    saved.path.write_bytes(saved.path.read_bytes()[:60])
    with pytest.raises(ImageError, match="can't be shown"):
        PictureLoader(lambda: local).load(saved)


def test_remote_picture_of_an_unknown_format_is_reported() -> None:
    pictures = FakePictures("a")
    pictures.png = b"no picture"
    with pytest.raises(ImageError, match=r"0.png can't be shown: its format is unknown\."):
        PictureLoader(lambda: pictures).load(picture_of(pictures.get(0)))


def test_input_image_is_a_file_of_this_machine_or_a_picture_of_the_backend(tmp_path: Path) -> None:
    loader = PictureLoader(lambda: FakePictures("a cat"))
    picture(32, 32).save(tmp_path / "in.png")
    assert loader.load(ShownPicture(tmp_path / "in.png")).size == (32, 32)
    assert loader.load(ShownPicture(FakePictures.folder / "0.png")).size == (64, 64)
    with pytest.raises(ImageError, match="no picture"):
        loader.load(ShownPicture(tmp_path / "missing.png"))


def test_remote_pictures_are_read_once_while_they_fit_in_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = FakePictures("a", "b", "c")
    loader = PictureLoader(lambda: pictures)
    first, second, third = (picture_of(each) for each in pictures.entries().entries)
    for each in (first, second, first):
        loader.load(each)
    assert pictures.reads == [0, 1]
    monkeypatch.setattr(loader_module, "_CACHE_BYTES", 2 * len(pictures.png))
    loader.load(third)
    loader.load(first)
    assert pictures.reads == [0, 1, 2]
    loader.load(second)
    assert pictures.reads == [0, 1, 2, 1]


def test_remote_picture_that_was_deleted_is_not_shown_from_the_cache() -> None:
    pictures = FakePictures("a")
    loader = PictureLoader(lambda: pictures)
    shown = picture_of(pictures.get(0))
    loader.load(shown)
    pictures.trash(0)
    assert not loader.exists(shown)
    with pytest.raises(ImageError, match="can't be shown"):
        loader.load(shown)


class _Unreachable(FakePictures):
    def local_file(self, picture: PictureId) -> Path | None:
        raise ImageError("no connection")


def test_picture_of_an_unreachable_backend_is_not_taken_as_deleted() -> None:
    pictures = _Unreachable("a")
    shown = picture_of(pictures.get(0))
    loader = PictureLoader(lambda: pictures)
    assert loader.exists(shown)
    with pytest.raises(ImageError, match="no connection"):
        loader.load(shown)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({}, ["a.control1.png"]),
        ({"init_image": "/start.png"}, ["start.png", "a.control1.png"]),
        ({"init_image": "/start.png", "mask_image": "/mask.png"}, ["start.png", "a.control1.png"]),
    ],
)
def test_control_maps_take_the_place_of_control_pictures(
    values: dict[str, str], shown: list[str]
) -> None:
    request = GenerationRequest.parse(
        {"prompt": "x", "controls": ["canny:/photo.png,preprocessor=canny"], **values}
    )
    made = record().model_copy(update={"request": request})
    kept = Attachment(name="control1", file="a.control1.png", sha256="")
    image = made.images[0].model_copy(update={"attachments": (kept,)})
    (entry,) = FakePictures("a").entries().entries
    with_map = made.model_copy(update={"images": (image,)})
    assert [each.path.name for each in made_from(entry, with_map)] == shown
    (first,) = made_from(entry, made)
    assert first.path.name == ("start.png" if values else "photo.png")
