"""The index follows the folder, whatever people, other tools and killed processes put there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sdtui.core.errors import HistoryError
from sdtui.core.text import visible
from sdtui.history import Changes, History
from tests.support.records import picture, record


def reasons(history: History) -> dict[str, str]:
    history.refresh()
    return {each.path.name: each.reason for each in history.skipped()}


def save(history: History, prompt: str = "a cat", seed: int = 1) -> Path:
    return history.save(picture(), record(prompt, seed=seed), 0).path


def prompts(history: History) -> list[str]:
    history.refresh()
    return sorted(entry.prompt for entry in history.entries().entries)


def test_deleted_index_is_rebuilt_with_stars_and_tags(tmp_path: Path) -> None:
    index = tmp_path / "index.db"
    with History(tmp_path / "pictures", index) as history:
        path = save(history)
        history.star(path)
        history.tag(path, "best")
        before = history.get(path)
    for file in tmp_path.glob("index.db*"):
        file.unlink()
    with History(tmp_path / "pictures", index) as history:
        assert history.refresh() == Changes(added=1)
        assert history.get(path) == before


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all" * 1000, b"SQLite format 3\0junk"]
)
def test_damaged_index_is_replaced(tmp_path: Path, content: bytes) -> None:
    index = tmp_path / "index.db"
    with History(tmp_path / "pictures", index) as history:
        save(history)
    index.write_bytes(content)
    with History(tmp_path / "pictures", index) as history:
        assert prompts(history) == ["a cat"]


def test_reindex_repairs_a_damaged_index(tmp_path: Path) -> None:
    index = tmp_path / "index.db"
    with History(tmp_path / "pictures", index) as history:
        for seed in range(30):
            save(history, "word " * 300, seed=seed)
    data = bytearray(index.read_bytes())
    data[4096 * 2 :] = b"\xff" * (len(data) - 4096 * 2)
    index.write_bytes(data)
    with History(tmp_path / "pictures", index) as history:
        with pytest.raises(HistoryError, match="reindex"):
            history.entries("word")
        assert history.reindex().added == 30
        assert history.entries("word").total == 30


def change_index(index: Path, statements: str) -> None:
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.executescript(statements)


def test_index_of_an_older_version_is_rebuilt(tmp_path: Path) -> None:
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        history.save(picture(), record("黒い猫がいる"), 0)
    change_index(
        tmp_path / "index.db",
        """
        PRAGMA user_version = 3;
        DROP TABLE words;
        CREATE VIRTUAL TABLE words USING fts5 (prompt, negative_prompt, model, sampler);
        """,
    )
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        history.refresh()
        assert history.entries("猫").total == 1


def test_nothing_is_written_to_an_index_that_another_version_has_rebuilt(tmp_path: Path) -> None:
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        saved = history.save(picture(), record("a cat"), 0)
        change_index(tmp_path / "index.db", "PRAGMA user_version = 99")
        with pytest.raises(HistoryError, match="another version"):
            history.star(saved.path)
        assert history.save(picture(), record("a dog"), 0).path.exists()
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        history.refresh()
        assert history.entries("star:yes").total == 1
        assert history.entries("dog").total == 1


def test_refresh_finds_moved_copied_and_deleted_pictures(history: History) -> None:
    first, second = save(history, "first", 1), save(history, "second", 2)
    album = history.pictures / "album" / "cats"
    album.mkdir(parents=True)
    for path in (first, first.with_suffix(".json")):
        path.rename(album / path.name)
    for path in (second, second.with_suffix(".json")):
        shutil.copy(path, album / path.name)
    assert prompts(history) == ["first", "second", "second"]
    second.unlink()
    second.with_suffix(".json").unlink()
    assert prompts(history) == ["first", "second"]
    assert history.get(album / first.name).prompt == "first"
    shutil.rmtree(album)
    assert prompts(history) == []


def test_refresh_finds_changed_json(history: History) -> None:
    path = save(history)
    sidecar = path.with_suffix(".json")
    fields = json.loads(sidecar.read_bytes())
    fields |= {"prompt": "changed by hand", "starred": True, "mine": [1, 2]}
    sidecar.write_text(json.dumps(fields))
    assert prompts(history) == ["changed by hand"]
    history.tag(path, "kept")
    assert json.loads(sidecar.read_bytes())["mine"] == [1, 2]


def test_unchanged_folders_are_not_read_again(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(history)
    old = time.time() - 3600
    os.utime(path.parent, (old, old))
    os.utime(history.pictures, (old, old))
    history.refresh()
    monkeypatch.setattr(os, "scandir", lambda _: pytest.fail("a folder was read"))
    assert not history.refresh()
    assert history.entries().total == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"[]", "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"schema_version": 1}', "damaged"),
        (b'{"schema_version": 99}', "newer"),
        (b" " * 3_000_000, "larger than"),
    ],
)
def test_unreadable_json_is_skipped(history: History, content: bytes, reason: str) -> None:
    path = save(history)
    path.with_suffix(".json").write_bytes(content)
    assert reason in reasons(history)[path.name]
    assert history.entries().total == 0
    assert path.with_suffix(".json").read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 3, "prompt": {"new": "form"}},
        {"seed": -1},
        {"seed": 10**30},
        {"seed": "x"},
        {"timestamp": "2026-11-22T12:00:00"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"timestamp": "9999-12-31T23:59:59-14:00"},
        {"prompt": "x" * 300_000},
        {"images": []},
        {"tags": ["x"] * 1000},
    ],
)
def test_json_with_impossible_values_is_skipped(
    history: History, change: dict[str, object]
) -> None:
    path = save(history)
    sidecar = path.with_suffix(".json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_bytes()) | change))
    assert list(reasons(history)) == [path.name]


def test_truncated_picture_is_listed_with_its_problem(history: History) -> None:
    path = save(history)
    path.write_bytes(path.read_bytes()[:-20])
    history.refresh()
    assert history.get(path).problem == "the picture file is cut short"


def test_own_picture_without_json_gets_its_json_back(history: History) -> None:
    path = save(history)
    before = json.loads(path.with_suffix(".json").read_bytes())
    path.with_suffix(".json").unlink()
    assert prompts(history) == ["a cat"]
    assert json.loads(path.with_suffix(".json").read_bytes()) == before


def test_json_or_picture_alone_is_skipped(history: History) -> None:
    path = save(history)
    picture().save(path.with_name("foreign.png"))
    path.with_name("notes.json").write_text("{}")
    assert reasons(history) == {
        "foreign.png": 'no JSON beside it: "sdtui history import" brings it in',
        "notes.json": "its picture is missing",
    }
    assert history.entries().total == 1


@pytest.mark.parametrize(
    "name",
    ["with space", "new\nline", "\x1b]0;owned\x07\x1b[31m", "-rf", "猫", "a.b.c", "'\"$(id)"],
)
def test_any_file_name_can_be_listed_and_used(history: History, name: str) -> None:
    path = save(history)
    renamed = path.with_name(f"{name}.png")
    path.with_suffix(".json").rename(renamed.with_suffix(".json"))
    path.rename(renamed)
    history.refresh()
    assert history.star(renamed).starred
    assert history.restore(history.trash(renamed)).path == renamed


def test_file_name_that_is_not_valid_text_is_skipped(history: History) -> None:
    path = save(history)
    strange = os.fsdecode(b"\xff\xfe")
    path.with_name(f"{strange}.png").write_bytes(b"")
    (path.parent / strange).mkdir()
    assert set(reasons(history).values()) == {"its name is not valid text"}
    assert all(visible(name) == name for name in reasons(history))


def test_symlinks_are_ignored(history: History, tmp_path: Path) -> None:
    path = save(history)
    outside = tmp_path / "outside"
    outside.mkdir()
    target = outside / "target.json"
    target.write_text("{}")
    (history.pictures / "linked").symlink_to(outside)
    (history.pictures / "loop").symlink_to(history.pictures)
    path.with_name("a.png").symlink_to(path)
    path.with_name("a.json").symlink_to(target)
    assert set(reasons(history)) == {"linked", "loop", "a.png", "a.json"}
    assert history.entries().total == 1
    path.with_suffix(".json").unlink()
    path.with_suffix(".json").symlink_to(target)
    with pytest.raises(HistoryError):
        history.star(path)
    assert target.read_text() == "{}"


def test_pipes_are_ignored(history: History) -> None:
    path = save(history)
    os.mkfifo(path.with_name("pipe.json"))
    os.mkfifo(path.with_name("pipe.png"))
    assert set(reasons(history).values()) == {"not an ordinary file"}


def test_save_interrupted_before_the_rename_is_completed(history: History) -> None:
    path = save(history)
    path.rename(path.with_name(f".{path.name}.part"))
    (path.parent / f".{'0' * 16}.part").write_bytes(b"half")
    (path.parent / ".never named.png.part").write_bytes(b"half")
    assert prompts(history) == ["a cat"]
    assert sorted(path.parent.iterdir()) == [path.with_suffix(".json"), path]


def test_partial_file_that_does_not_match_its_json_is_deleted(history: History) -> None:
    path = save(history)
    path.unlink()
    path.with_name(f".{path.name}.part").write_bytes(b"half a picture")
    assert reasons(history) == {path.with_suffix(".json").name: "its picture is missing"}
    assert list(path.parent.iterdir()) == [path.with_suffix(".json")]


def test_interrupted_move_to_the_trash_is_completed(history: History) -> None:
    path = save(history)
    sidecar = path.with_suffix(".json")
    content = sidecar.read_bytes()
    history.trash(path)
    sidecar.write_bytes(content)
    assert reasons(history) == {}
    assert not sidecar.exists()


@pytest.mark.slow
def test_killing_a_process_while_it_saves_breaks_nothing() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.kill_while_saving", "--times", "25"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


_WRITE = """
import sys
from pathlib import Path
from sdtui.history import History
from tests.support.records import picture, record

with History(Path(sys.argv[1]), Path(sys.argv[2])) as history:
    for number in range(20):
        saved = history.save(picture(), record("from " + sys.argv[3], seed=5), 0)
        history.tag(saved.path, sys.argv[3])
        history.refresh()
"""


@pytest.mark.slow
def test_two_processes_and_a_thread_can_write_at_once(history: History, tmp_path: Path) -> None:
    index = tmp_path / "state" / "index.db"
    children = [
        subprocess.Popen([sys.executable, "-c", _WRITE, str(history.pictures), str(index), name])
        for name in ("one", "two")
    ]
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            seen.append(history.entries("from").total)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        save(history, "from three", 5)
    assert [child.wait(60) for child in children] == [0, 0]
    done.set()
    reader.join()
    assert seen == sorted(seen)
    assert [history.entries(query).total for query in ("from", "tag:one", "tag:two")] == [
        60,
        20,
        20,
    ]
    assert not history.refresh()
    assert history.skipped() == ()
