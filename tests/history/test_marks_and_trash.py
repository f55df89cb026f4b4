"""Stars, tags, the trash, export and import."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sdtui.core.errors import HistoryError, InvalidRequestError, OutputError
from sdtui.history import History
from tests.support.records import picture, record


def save(history: History, prompt: str = "a cat", seed: int = 1) -> Path:
    return history.save(picture(), record(prompt, seed=seed), 0).path


def test_stars_and_tags_are_saved_in_the_json(history: History) -> None:
    path = save(history)
    history.star(path)
    history.tag(path, "Best", "cats")
    history.untag(path, "CATS")
    fields = json.loads(path.with_suffix(".json").read_bytes())
    assert (fields["starred"], fields["tags"]) == (True, ["best"])
    assert not history.unstar(path.name).starred
    assert history.get(path).tags == ("best",)


@pytest.mark.parametrize(
    "tag", ["", "two words", "-minus", 'quo"te', "x" * 101, "\x1b[31m", "a\nb", "\udcff"]
)
def test_tag_of_several_words_is_refused(history: History, tag: str) -> None:
    path = save(history)
    with pytest.raises(InvalidRequestError, match="one word"):
        history.tag(path, tag)


def test_tags_differ_by_more_than_case_and_composition(history: History) -> None:
    path = save(history)
    sidecar = path.with_suffix(".json")
    tags = ["Cafe\u0301", "猫"]
    sidecar.write_text(json.dumps(json.loads(sidecar.read_bytes()) | {"tags": tags}))
    history.refresh()
    assert history.tag(path, "CAFÉ").tags == ("café", "猫")
    assert history.entries("tag:caf\u00e9").total == history.entries("tag:cafe\u0301").total == 1
    assert history.untag(path, "café").tags == ("猫",)
    assert json.loads(sidecar.read_bytes())["tags"] == ["猫"]


def test_pictures_are_found_by_name_and_path(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(history)
    monkeypatch.chdir(path.parent)
    relative = path.relative_to(history.pictures)
    for which in (path, str(path), relative, path.name, path.stem, f"../{relative}"):
        assert history.get(which).path == path


def test_unknown_picture_raises_a_history_error(history: History) -> None:
    for which in (
        5,
        2**70,
        "nothing.png",
        "\udcff",
        "\ud800/x.png",
        "/etc/passwd",
        "../../x.png",
        Path("trash/x.png"),
    ):
        with pytest.raises(HistoryError, match="has no picture"):
            history.get(which)


def test_ambiguous_name_raises_a_history_error(history: History) -> None:
    path = save(history)
    other = history.pictures / "other"
    other.mkdir()
    for file in (path, path.with_suffix(".json")):
        shutil.copy(file, other)
    history.refresh()
    with pytest.raises(HistoryError, match="whole path"):
        history.get(path.stem)


def test_trashed_picture_is_unlisted_until_restored(history: History) -> None:
    path = save(history)
    history.star(path)
    moved = history.trash(path)
    assert moved == history.trash_folder / path.relative_to(history.pictures)
    assert history.trashed() == (moved,)
    history.refresh()
    assert history.entries().total == 0
    assert history.restore(moved.name).starred
    assert history.trashed() == ()


def test_restore_never_replaces_a_picture(history: History) -> None:
    path = save(history, "first")
    history.trash(path)
    moved = history.trashed()[0]
    (history.pictures / "x").mkdir()
    for file in (moved, moved.with_suffix(".json")):
        shutil.copy(file, path.parent)
    history.refresh()
    assert history.restore(moved).path == path.with_stem(f"{path.stem}-2")
    assert history.entries().total == 2


def test_trash_is_listed_with_time_and_size_latest_first(history: History) -> None:
    saved = [save(history, prompt) for prompt in ("a cat", "a dog")]
    history.star(saved[1])
    size = saved[1].stat().st_size
    before = datetime.now(UTC)
    first, second = history.trash(saved[1]), history.trash(saved[0])
    os.utime(first.with_suffix(".json"), (before.timestamp() - 90, before.timestamp() - 90))
    latest, earlier = history.list_trash()
    assert (latest.entry.path, earlier.entry.path) == (second, first)
    assert (latest.entry.prompt, earlier.entry.prompt) == ("a cat", "a dog")
    assert (latest.entry.starred, earlier.entry.starred) == (False, True)
    assert earlier.bytes == size
    assert before - timedelta(seconds=1) < latest.time < datetime.now(UTC) + timedelta(seconds=1)
    assert earlier.time == before - timedelta(seconds=90)
    assert history.record(earlier.entry).prompt == "a dog"


def test_trashed_picture_with_a_damaged_json_is_left_out_of_the_list(history: History) -> None:
    moved = history.trash(save(history))
    moved.with_suffix(".json").write_text("{")
    assert history.list_trash() == ()


def test_only_what_is_in_the_trash_is_deleted_for_good(history: History) -> None:
    listed, kept, gone = (save(history, prompt) for prompt in ("a cat", "a dog", "a cow"))
    kept, gone = history.trash(kept), history.trash(gone)
    outside = history.trash_folder / ".." / listed.relative_to(history.pictures)
    assert history.delete_trashed([gone, outside, listed, gone]) == 1
    assert not gone.exists()
    assert not gone.with_suffix(".json").exists()
    assert listed.exists()
    assert history.trashed() == (kept,)
    assert history.delete_trashed([kept]) == 1
    assert not kept.parent.exists()


def test_pictures_are_exported_by_id(history: History, tmp_path: Path) -> None:
    paths = [save(history, prompt) for prompt in ("a cat", "a dog", "a cow")]
    ids = [history.get(path).id for path in paths[:2]]
    assert history.export(tmp_path / "two.zip", ids=ids) == 2
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
    assert sorted(pictures) == sorted(
        path.relative_to(history.pictures).as_posix() for path in paths[:2]
    )


def test_more_tags_than_a_picture_may_have_are_refused(history: History) -> None:
    path = save(history)
    with pytest.raises(InvalidRequestError, match="at most 100 tags, not 101"):
        history.tag(path, *(f"tag{number}" for number in range(101)))
    assert history.tag(path, *(f"tag{number}" for number in range(100))).path == path
    assert history.get(path).starred is False


@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_picture_whose_file_is_gone_is_no_full_disk(
    history: History, tmp_path: Path, suffix: str
) -> None:
    kept, path = save(history, seed=1), save(history, seed=2)
    path.with_suffix(suffix).unlink()
    for change in (history.trash, history.star):
        with pytest.raises(HistoryError):
            change(path)
    ids = [entry.id for entry in map(history.get, (kept, path))]
    assert history.export(tmp_path / "out.zip", ids=ids) == 1


def test_an_export_that_fails_is_reported(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(history)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(zipfile.ZipFile, "__init__", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match=r"out.zip can't be written: Read-only file system"):
        history.export(tmp_path / "out.zip")


def test_emptying_the_trash_deletes_only_the_trash(history: History, tmp_path: Path) -> None:
    kept, gone = save(history, "kept", 1), save(history, "gone", 2)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    history.trash(gone)
    (history.trash_folder / "link").symlink_to(outside)
    assert history.empty_trash() == 1
    assert not history.trash_folder.exists()
    assert kept.exists()
    assert (outside / "file").exists()
    assert history.empty_trash() == 0


def test_symlinked_trash_is_not_followed(history: History, tmp_path: Path) -> None:
    path = save(history)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.png").touch()
    history.trash_folder.symlink_to(outside)
    with pytest.raises(HistoryError, match="leads out of"):
        history.trash(path)
    assert history.empty_trash() == 0
    assert [file.name for file in outside.iterdir()] == ["file.png"]


@pytest.mark.parametrize("changed", [-1_000_000_000, 10_000_000_000])
def test_files_of_any_time_are_exported(history: History, tmp_path: Path, changed: int) -> None:
    path = save(history)
    os.utime(path, (changed, changed))
    assert history.export(tmp_path / "all.zip") == 1
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None


def test_import_leaves_out_what_is_no_tag(history: History, tmp_path: Path) -> None:
    path = save(history)
    fields = json.loads(path.with_suffix(".json").read_bytes())
    path.with_suffix(".json").write_text(json.dumps({**fields, "tags": ["a b", "\x1b[2J", "cats"]}))
    with History(tmp_path / "other", tmp_path / "other.db") as other:
        other.import_([path])
        assert other.entries().entries[0].tags == ("cats",)


def test_exported_archive_is_imported_with_its_marks(history: History, tmp_path: Path) -> None:
    history.star(save(history, "a cat", 1))
    save(history, "a dog", 2)
    target = tmp_path / "out.zip"
    assert history.export(target, "cat") == 1
    with History(tmp_path / "other", tmp_path / "other.db") as other:
        brought = other.import_([target])
        assert (len(brought.pictures), brought.known, brought.skipped) == (1, 0, ())
        assert other.import_([target, history.pictures]).known == 2
        (cat,) = other.entries("cat").entries
        assert cat.starred
        assert other.entries().total == 2
        assert cat.path.parent.name == "2026-11-22"


def test_hostile_archive_writes_nothing_outside(history: History, tmp_path: Path) -> None:
    good = save(history)
    target = tmp_path / "evil.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../evil.png", good.read_bytes())
        archive.writestr("/tmp/evil.png", b"no picture")
        archive.writestr("bomb.png", b"x")
        archive.writestr("bomb.json", b" " * 50_000_000)
        archive.writestr("\x1b[31m.png", picture().tobytes())
    with History(tmp_path / "other", tmp_path / "other.db") as other:
        brought = other.import_([target])
        assert [path.parent.parent for path in brought.pictures] == [other.pictures]
        assert len(brought.skipped) == 3
    assert not (tmp_path.parent / "evil.png").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"PK\x05\x06" + b"\0" * 17])
def test_broken_archive_raises_a_history_error(
    history: History, tmp_path: Path, content: bytes
) -> None:
    target = tmp_path / "broken.zip"
    target.write_bytes(content)
    assert [each.path for each in history.import_([target]).skipped] == [target]


def test_stats_count_pictures_and_models(history: History) -> None:
    history.star(save(history, "a cat", 1))
    history.tag(save(history, "a dog", 2), "pets")
    history.trash(save(history, "a cow", 3))
    stats = history.stats()
    assert (stats.pictures, stats.starred, stats.trashed, stats.skipped) == (2, 1, 1, 0)
    assert (dict(stats.models), dict(stats.tags)) == ({"pocket": 2}, {"pets": 1})
    assert stats.first == stats.last
