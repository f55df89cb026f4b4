"""Saving: what lies on disk afterwards, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.errors import HistoryError, OutputError
from sdtui.history import POSITIONS, History, position_in_run
from sdtui.requests.record import GenerationRecord
from tests.support.records import NOON, picture, record


def test_picture_is_saved_with_its_json_in_the_folder_of_the_day(history: History) -> None:
    saved = history.save(picture(), record(), 0)
    today = datetime.now().strftime("%Y-%m-%d")
    assert saved.path.parent == history.pictures / today
    assert re.fullmatch(r"\d{6}-42-a-tiger-on-a-blue-background\.png", saved.path.name)
    assert saved.json_path == saved.path.with_suffix(".json")
    on_disk = GenerationRecord.model_validate_json(saved.json_path.read_bytes())
    (image,) = on_disk.images
    assert image.sha256 == hashlib.sha256(saved.path.read_bytes()).hexdigest()
    assert image.path == saved.path.name
    assert saved.record.images[0].path == str(saved.path)
    with Image.open(saved.path) as opened:
        assert opened.size == (64, 64)
    assert sorted(saved.path.parent.iterdir()) == [saved.json_path, saved.path]


def test_home_of_an_unknown_user_is_a_folder_name(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = history.save(picture(), record(), 0, file=Path("~nobody-of-that-name/a.png"))
    assert saved.path == tmp_path / "~nobody-of-that-name" / "a.png"
    assert saved.path.is_file()


def test_each_picture_of_a_run_has_its_own_record(history: History) -> None:
    run = record(seed=7, pictures=3)
    saved = [history.save(picture(), run, index) for index in range(3)]
    assert [each.record.seed for each in saved] == [7, 8, 9]
    assert [entry.seed for entry in history.entries().entries] == [9, 8, 7]


def test_pictures_of_two_runs_at_the_same_time_are_told_apart(history: History) -> None:
    for seed in (1, 7):
        run = record(seed=seed, pictures=2, timestamp=NOON)
        for index in range(2):
            history.save(picture(), run, index)
    found = {entry.seed: position_in_run(entry.id) for entry in history.entries().entries}
    assert (found[1], found[2]) == (0, 1)
    assert min(found[7], found[8]) >= POSITIONS
    assert len({entry.id for entry in history.entries().entries}) == 4


def test_existing_picture_is_not_overwritten(history: History, tmp_path: Path) -> None:
    paths = {history.save(picture(), record(), 0, folder=tmp_path / "out").path for _ in range(4)}
    assert len(paths) == 4
    assert all(path.with_suffix(".json").exists() for path in paths)


def test_pictures_saved_outside_the_history_are_flat_and_unlisted(
    history: History, tmp_path: Path
) -> None:
    saved = history.save(picture(), record(), 0, folder=tmp_path / "out")
    assert saved.path.parent == tmp_path / "out"
    assert history.entries().total == 0


def test_named_file_is_replaced(history: History, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    history.save(picture(colour="red"), record("red"), 0, file=target)
    history.save(picture(colour="blue"), record("blue"), 0, file=target)
    with Image.open(target) as opened:
        assert opened.getpixel((0, 0)) == (0, 0, 255)
    assert json.loads(target.with_suffix(".json").read_bytes())["prompt"] == "blue"


def test_named_file_is_numbered_for_several_pictures(history: History, tmp_path: Path) -> None:
    run = record(pictures=2)
    saved = [history.save(picture(), run, index, file=tmp_path / "out.png") for index in (0, 1)]
    assert [each.path.name for each in saved] == ["out-1.png", "out-2.png"]


def test_json_that_is_not_a_record_is_never_replaced(history: History, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    with pytest.raises(OutputError, match="not a picture's JSON"):
        history.save(picture(), record(), 0, file=tmp_path / "package.png")
    assert (tmp_path / "package.json").read_text() == '{"name": "mine"}'
    assert not (tmp_path / "package.png").exists()


def test_unknown_file_suffix_is_refused(history: History, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.webp"):
        history.save(picture(), record(), 0, file=tmp_path / "out.gif")


@pytest.mark.parametrize(
    ("name", "kind"), [("a.jpg", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP")]
)
def test_file_suffix_decides_the_format(
    history: History, tmp_path: Path, name: str, kind: str
) -> None:
    saved = history.save(picture(), record(), 0, file=tmp_path / name)
    with Image.open(saved.path) as opened:
        assert opened.format == kind


@pytest.mark.parametrize(
    "prompt",
    ["../../etc/passwd", "a/b\\c", "\x1b[31mred", "new\nline", "猫と犬" * 40, "🐯", "x" * 500],
)
def test_any_prompt_gives_a_safe_file_name(history: History, prompt: str) -> None:
    saved = history.save(picture(), record(prompt), 0)
    assert saved.path.parent.parent == history.pictures
    assert len(os.fsencode(saved.path.name)) < 230
    assert not re.search(r"[\s\x00-\x1f/\\:*?\"<>|]", saved.path.name)


def test_symlinked_day_folder_is_not_followed(history: History, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    history.pictures.mkdir()
    (history.pictures / datetime.now().strftime("%Y-%m-%d")).symlink_to(outside)
    with pytest.raises(HistoryError, match="leads out of"):
        history.save(picture(), record(), 0)
    assert list(outside.iterdir()) == []


_SAVE_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from sdtui.core.errors import OutputError
from sdtui.history import History
from tests.support.records import picture, record

history = History(Path(sys.argv[1]), Path(sys.argv[2]))
first = history.save(picture(), record("first"), 0)
image = picture()
limits = {"nothing fits": 0, "half a picture fits": 500}
limit = limits.get(sys.argv[3], first.path.stat().st_size + 100)
assert limit < first.json_path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    history.save(image, record("second"), 0)
except OutputError as error:
    print(error)
left = sorted(path.name for path in first.path.parent.iterdir())
assert left == sorted([first.path.name, first.json_path.name]), left
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = history.save(image, record("second"), 0)
assert history.entries().total == 2
print(again.path)
"""


@pytest.mark.parametrize("limit", ["nothing fits", "half a picture fits", "the JSON does not fit"])
def test_file_that_cannot_be_written_completely_is_not_written(tmp_path: Path, limit: str) -> None:
    """The kernel refuses bytes beyond a limit, in a process of its own."""
    arguments = [str(tmp_path / "pictures"), str(tmp_path / "index.db"), limit]
    done = subprocess.run(
        [sys.executable, "-c", _SAVE_ON_A_FULL_DISK, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    message, path = done.stdout.splitlines()
    assert "can't be written" in message
    assert "still in memory" in message
    assert Path(path).is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_full_disk_leaves_no_files_behind(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        with History(disk / "pictures", tmp_path / "index.db") as history:
            first = history.save(picture(), record("first"), 0)
            filler = disk / "filler"
            with pytest.raises(OSError, match="No space"):
                filler.write_bytes(b"x" * 1_000_000)
            with pytest.raises(OutputError, match="still in memory"):
                history.save(picture(), record("second"), 0)
            assert [path.name for path in first.path.parent.glob("*.part")] == []
            assert len(list(first.path.parent.iterdir())) == 2
            filler.unlink()
            history.save(picture(), record("second"), 0)
            assert history.entries().total == 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_picture_is_saved_even_if_the_index_fails(history: History, tmp_path: Path) -> None:
    history._index._database._writer.execute("DROP TABLE entries")
    saved = history.save(picture(), record(), 0)
    assert saved.path.is_file()
    history.reindex()
    assert history.entries().total == 1
