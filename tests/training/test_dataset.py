"""Reading the pictures of a training and their captions."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.errors import TrainingError
from sdtui.training.dataset import read_dataset
from tests.support.training_pictures import AddPicture


def test_kohyas_folders_say_how_often_pictures_count(
    tmp_path: Path, add_picture: AddPicture
) -> None:
    add_picture("10_a red dog/one.png", "a red dog, grass\nsecond line")
    add_picture("2_cat/two.jpg")
    add_picture("0_off/three.png")
    found = read_dataset(tmp_path / "data")
    assert [(each.path.name, each.repeats, each.caption) for each in found.pictures] == [
        ("one.png", 10, "a red dog, grass"),
        ("two.jpg", 2, "cat"),
    ]
    assert found.shown_in_epoch == 12
    assert found.folders() == {"10_a red dog": (10, 1), "2_cat": (2, 1)}
    assert found.tag_frequency() == {
        "10_a red dog": {"a red dog": 1, "grass": 1},
        "2_cat": {"cat": 1},
    }


def test_a_plain_folder_with_blanks_in_names_is_read(
    tmp_path: Path, add_picture: AddPicture
) -> None:
    add_picture("my dog 1.png", "a dog")
    add_picture("my dog 2.webp")
    found = read_dataset(tmp_path / "data", "sks dog")
    assert [each.caption for each in found.pictures] == ["a dog", "sks dog"]
    assert found.notices == (
        '1 picture without a caption of its own: gets "sks dog" (my dog 2.webp)',
    )


def test_each_kind_of_bad_file_is_said_once(tmp_path: Path, add_picture: AddPicture) -> None:
    add_picture("good.png", "a dog")
    for number in range(5):
        (tmp_path / "data" / f"bad{number}.png").write_bytes(b"no picture")
    add_picture("latin.png").with_suffix(".txt").write_bytes("schön".encode("latin-1"))
    found = read_dataset(tmp_path / "data")
    assert [each.path.name for each in found.pictures] == ["good.png", "latin.png"]
    unreadable, caption, without = found.notices
    assert unreadable.startswith("5 files left out")
    assert "bad2.png, …" in unreadable
    assert "latin.txt" in caption
    assert "latin.png" in without


def test_an_empty_caption_is_a_caption(tmp_path: Path, add_picture: AddPicture) -> None:
    add_picture("one.png", "")
    found = read_dataset(tmp_path / "data", "sks dog")
    assert found.pictures[0].caption == ""
    assert not found.notices


@pytest.mark.parametrize("place", ["data/reg/1_dog", "reg/1_dog"])
def test_class_pictures_lie_beside_those_to_learn(
    tmp_path: Path, add_picture: AddPicture, place: str
) -> None:
    add_picture("img/5_sks dog/one.png")
    folder = tmp_path / "data" / place.removeprefix("data/")
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(folder / "class.png")
    found = read_dataset(tmp_path / "data")
    assert [each.path.name for each in found.pictures] == ["one.png"]
    assert [(each.path.name, each.is_class) for each in found.class_pictures] == [
        ("class.png", True)
    ]


def test_the_size_is_that_of_the_picture_as_it_is_seen(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_dataset(tmp_path).pictures[0].size == (20, 40)


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_folder_without_a_usable_picture_is_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(TrainingError, match=r"no pictures .*in"):
        read_dataset(tmp_path)
    with pytest.raises(TrainingError, match="no folder"):
        read_dataset(tmp_path / "missing")
