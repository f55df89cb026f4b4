"""Captions of pictures to learn: files, changes of texts, and what can be undone."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.errors import OutputError
from sdtui.requests.training.caption_set import CaptionSet, Change
from sdtui.requests.training.captions import (
    read_caption,
    term_counts,
    with_line,
    with_replaced_words,
    with_words_at_end,
    with_words_in_front,
    without_tag,
    write_caption,
)


def add_picture(path: Path, caption: str | None = None, suffix: str = ".txt") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    if caption is not None:
        path.with_suffix(suffix).write_text(caption, "utf-8")
    return path


def opened(folder: Path) -> CaptionSet:
    captions = CaptionSet(folder)
    captions.read(captions.pictures)
    return captions


def test_a_caption_is_written_where_it_is_and_else_as_others_are(tmp_path: Path) -> None:
    old = add_picture(tmp_path / "a dog.png", "a dog", ".caption")
    new = add_picture(tmp_path / "ein Hündchen.png")
    other = add_picture(tmp_path / "1_x" / "two.png")
    for picture in (old, new, other):
        write_caption(picture, "犬, 🐕")
    assert (tmp_path / "a dog.caption").read_text("utf-8") == "犬, 🐕\n"
    assert (tmp_path / "ein Hündchen.caption").exists()
    assert (tmp_path / "1_x" / "two.txt").exists()
    assert not (tmp_path / "a dog.txt").exists()
    assert read_caption(new) == "犬, 🐕"


def test_changes_of_a_line() -> None:
    assert with_words_in_front("a dog, grass", "zorb") == "zorb, a dog, grass"
    assert with_words_in_front("zorb, a dog", "zorb,") == "zorb, a dog"
    assert with_words_in_front("", "zorb") == "zorb"
    assert with_words_at_end("a dog", "best, sharp") == "a dog, best, sharp"
    assert with_words_at_end("a dog, best, sharp", "best, sharp") == "a dog, best, sharp"
    assert with_replaced_words("A dog and dogs, dog", "dog", r"\1 cat") == (
        r"A \1 cat and dogs, \1 cat"
    )
    assert with_replaced_words("a red dog, red", "red", "") == "a dog"
    assert with_replaced_words("1,000 dogs", "cat", "") == "1,000 dogs"
    assert without_tag("a dog, Grass ,sun", "grass") == "a dog, sun"
    assert without_tag("grassland", "grass") == "grassland"
    assert with_line("\nfirst\nsecond", "other") == "\nother\nsecond"


def test_terms_are_tags_or_words() -> None:
    assert term_counts(["Dog, grass", "dog, dog, sun", "dog"]) == {"dog": 3, "grass": 1, "sun": 1}
    assert term_counts(["a red dog", "A dog's house"]) == {
        **{"a": 2, "red": 1, "dog": 1, "dog's": 1, "house": 1}
    }


def test_a_change_keeps_other_lines_and_can_be_undone(tmp_path: Path) -> None:
    one = add_picture(tmp_path / "5_dog" / "one.png", "a dog\nanother line")
    two = add_picture(tmp_path / "5_dog" / "two.png", "grass")
    without = add_picture(tmp_path / "three.png")
    add_picture(tmp_path / "0_off" / "four.png", "a dog")
    captions = opened(tmp_path)
    assert captions.pictures == (without, one, two)
    assert captions.change("words", lambda line: f"zorb, {line}", captions.pictures) == 2
    assert read_caption(one) == "zorb, a dog\nanother line"
    assert read_caption(without) is None
    two.with_suffix(".txt").write_text("changed elsewhere")
    assert captions.undo() == ("words", 1)
    assert (read_caption(one), read_caption(two)) == ("a dog\nanother line", "changed elsewhere")
    assert captions.undo() is None


def test_an_edited_caption_is_saved_only_if_it_differs(tmp_path: Path) -> None:
    picture = add_picture(tmp_path / "one.png")
    captions = opened(tmp_path)
    assert not captions.save(picture, "")
    assert not picture.with_suffix(".txt").exists()
    assert captions.save(picture, "a dog")
    assert captions.save(picture, "")
    assert read_caption(picture) == ""
    captions.undo()
    assert captions.undo() == ("the caption of one.png", 1)
    assert not picture.with_suffix(".txt").exists()


def test_a_caption_in_another_encoding_becomes_utf8_when_it_is_changed(tmp_path: Path) -> None:
    picture = add_picture(tmp_path / "one.png")
    file = picture.with_suffix(".txt")
    file.write_bytes("schön\n".encode("latin-1"))
    captions = opened(tmp_path)
    assert "not UTF-8" in captions.captions[picture].problem
    assert not captions.save(picture, "schön")
    captions.save(picture, "sehr schön")
    assert file.read_text("utf-8") == "sehr schön\n"


def test_what_was_written_before_the_disk_was_full_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (add_picture(tmp_path / each, "a dog") for each in ("1.png", "2.png"))
    captions = opened(tmp_path)

    def write(path: Path, data: bytes, *, durable: bool) -> None:
        if path.stem == "2":
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr("sdtui.requests.training.captions.write_atomic", write)
        with pytest.raises(OutputError, match=r"2\.png can't be written: No space left on device"):
            captions.change("words", lambda line: f"zorb, {line}", (one, two))
    assert captions.undo() == ("words", 1)
    assert read_caption(one) == "a dog"


def test_captions_of_another_process_are_undone_together(tmp_path: Path) -> None:
    pictures = [add_picture(tmp_path / f"{n}.png") for n in range(2)]
    captions = opened(tmp_path)
    change = Change("captions of a model")
    for picture in pictures:
        write_caption(picture, "a dog")
        captions.note_written(change, picture, None)
    assert captions.captions[pictures[1]].line == "a dog"
    assert captions.undo() == ("captions of a model", 2)
    assert read_caption(pictures[0]) is None
