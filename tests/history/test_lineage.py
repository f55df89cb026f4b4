"""What pictures were made from, and what was made from them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdtui.cli.history import history as command
from sdtui.core.errors import HistoryError
from sdtui.history import History, SavedPicture, tree_lines
from sdtui.history import lineage as lineage_module
from sdtui.history.writing import hash_file
from sdtui.requests.request import GenerationRequest
from tests.support.records import NOON, picture, record

MASK = "f" * 64
"""The hash of a file that isn't in the history."""


def made(
    history: History, name: str, *parents: str, minute: int = 0, init: Path | None = None
) -> SavedPicture:
    """Save a picture that was made from some files, known by their hashes."""
    about = record(name, timestamp=NOON + timedelta(minutes=minute), init_image=init)
    image = picture(width=8 + minute)
    return history.save(image, about.model_copy(update={"parents": parents}), 0)


def hash_of(saved: SavedPicture) -> str:
    return saved.record.images[0].sha256 or ""


def prompts(relatives: object) -> list[object]:
    """Return the prompts of a tree, each with those beyond it."""
    return [
        [each.entry.prompt if each.entry else None, *prompts(each.relatives)]
        for each in relatives  # type: ignore[attr-defined]
    ]


def family(history: History) -> list[SavedPicture]:
    """A picture, one of it with a mask, and two of that one."""
    first = made(history, "first")
    masked = made(history, "masked", MASK, hash_of(first), minute=1, init=first.path)
    children = [made(history, f"child {n}", hash_of(masked), minute=n) for n in (2, 3)]
    return [first, masked, *children]


def test_lineage_has_parents_and_children_at_any_distance(history: History) -> None:
    first, masked, child, _ = family(history)
    assert prompts(history.lineage(first.path).children) == [["masked", ["child 2"], ["child 3"]]]
    assert prompts(history.lineage(child.path).parents) == [["masked", ["first"], [None]]]
    found = history.lineage(masked.path)
    assert prompts(found.parents) == [["first"], [None]]
    assert prompts(found.children) == [["child 2"], ["child 3"]]
    assert found.parents[1].sha256 == MASK
    assert not found.is_cut


def test_lineage_says_how_a_picture_was_made(history: History) -> None:
    _, masked, _, _ = family(history)
    found = history.lineage(masked.path)
    assert found.picture.step == "image to image"
    assert found.parents[0].step == "text to image"


def test_picture_without_relatives_has_empty_trees(history: History) -> None:
    found = history.lineage(made(history, "alone").path)
    assert (found.parents, found.children) == ((), ())


def test_lineage_outlives_moving_and_reindexing(history: History) -> None:
    first, masked, _, _ = family(history)
    folder = first.path.parent / "album"
    folder.mkdir()
    for file in (first.path, first.json_path):
        file.rename(folder / file.name)
    history.refresh()
    history.reindex()
    (parent, _) = history.lineage(masked.path).parents
    assert parent.entry is not None
    assert parent.entry.path.parent == folder


def test_deleted_parent_is_known_by_its_hash_alone(history: History) -> None:
    first, masked, _, _ = family(history)
    history.trash(first.path)
    found = history.lineage(masked.path)
    assert hash_of(first) in {each.sha256 for each in found.parents}
    assert all(each.entry is None for each in found.parents)


def test_files_that_the_history_has_not_are_named(history: History, tmp_path: Path) -> None:
    photo, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    picture(width=40).save(photo)
    picture(width=41).save(mask)
    parents = (hash_file(photo), hash_file(mask))
    values = {"prompt": "a", "init_image": photo, "mask_image": mask}
    update = {"parents": parents, "request": GenerationRequest.parse(values)}
    about = record().model_copy(update=update)
    saved = history.save(picture(), about, 0)
    for _ in range(2):
        found = {each.use: each.file for each in history.lineage(saved.path).parents}
        assert found == {"init image": photo, "mask": mask}
        mask.unlink(missing_ok=True)
    photo.unlink()
    assert [each.file for each in history.lineage(saved.path).parents] == [None, None]


def test_lineage_of_other_files_is_what_was_made_from_them(
    history: History, tmp_path: Path
) -> None:
    first, *_ = family(history)
    photo = tmp_path / "photo.png"
    picture(width=40).save(photo)
    with pytest.raises(HistoryError):
        history.lineage(photo)
    made(history, "of the photo", hash_file(photo))
    assert prompts(history.lineage(photo).children) == [["of the photo"]]
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.path.read_bytes())
    assert history.lineage(copy).picture.sha256 == hash_of(first)


def test_file_that_was_used_is_a_parent(history: History) -> None:
    family(history)
    assert history.is_parent(MASK)
    assert not history.is_parent("0" * 64)


def test_shared_parent_is_followed_once(history: History) -> None:
    first = made(history, "first")
    middle = [made(history, f"middle {n}", hash_of(first), minute=n) for n in (1, 2)]
    last = made(history, "last", *map(hash_of, middle), minute=3)
    found = prompts(history.lineage(first.path).children)
    assert found == [["middle 1", ["last"]], ["middle 2", ["last"]]]
    assert len(prompts(history.lineage(last.path).parents)) == 2


def test_picture_of_itself_ends(history: History) -> None:
    own = made(history, "own")
    again = made(history, "again", hash_of(own), minute=1)
    third = made(history, "third", hash_of(again), hash_of(own), minute=2)
    assert prompts(history.lineage(third.path).parents)


def test_tree_of_too_many_pictures_is_cut(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage_module, "MOST", 3)
    first = made(history, "first")
    for minute in range(1, 6):
        made(history, f"child {minute}", hash_of(first), minute=minute)
    found = history.lineage(first.path)
    assert len(found.children) == 3
    assert found.is_cut


def test_tree_is_drawn_with_lines(history: History) -> None:
    first, *_ = family(history)
    drawn = [lines for lines, _ in tree_lines(history.lineage(first.path).children)]
    assert drawn == ["└─ ", "   ├─ ", "   └─ "]


def test_command_prints_trees_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDTUI_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("SDTUI_PICTURES", str(tmp_path / "pictures"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with History(tmp_path / "pictures") as history:
        first, masked, *_ = family(history)
    run = CliRunner().invoke(command, ["lineage", masked.path.name], catch_exceptions=False)
    lines = run.stdout.splitlines()
    assert lines[0].endswith("image to image  masked")
    assert lines[1] == "made from"
    assert lines[2].startswith("├─ ")
    assert lines[3] == "└─ ffffffffffff… (not in the history)"
    assert lines[4] == "used for"
    assert len(lines) == 7
    as_json = CliRunner().invoke(command, ["lineage", str(masked.path), "--json"])
    found = json.loads(as_json.stdout)
    assert found["parents"][0]["path"] == str(first.path)
    assert found["parents"][0]["parents"] == []
    assert [each["prompt"] for each in found["children"]] == ["child 2", "child 3"]
