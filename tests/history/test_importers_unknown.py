"""Values that other tools' pictures lack, and dates and prompts beyond a request's limits."""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sdtui.history import History
from sdtui.history.importers import read_picture_settings
from tests.support.foreign_pictures import png
from tests.support.records import picture, record

LINE = "Steps: 20, CFG scale: 7, Seed: 1"


def test_unknown_values_are_absent(history: History, tmp_path: Path) -> None:
    (imported,) = history.import_([png(tmp_path / "a.png", parameters=f"a cat\n{LINE}")]).pictures
    written = json.loads(imported.with_suffix(".json").read_bytes())
    assert written["generation_time"] is None
    settings = written["settings"]
    assert settings["batch_size"] is settings["vae_slicing"] is settings["vae_tiling"] is None
    assert settings["sampler"] is None
    values = read_picture_settings(imported).values
    assert not values.keys() & {"model", "sampler"}
    (entry,) = history.entries().entries
    assert history.record(entry).generation_time is None


@pytest.mark.parametrize("length", [40_001, 90_000, 150_000])
def test_prompt_beyond_the_limit_is_kept_and_found(
    history: History, tmp_path: Path, length: int
) -> None:
    prompt = f"first {'word ' * (length // 5)}"
    text = f"{prompt}\nNegative prompt: {prompt}\n{LINE}"
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert not found.values.keys() & {"prompt", "negative_prompt"}
    assert any(each.startswith("Prompt must") for each in found.not_carried)
    (imported,) = history.import_([tmp_path / "a.png"]).pictures
    assert history.entries("first seed:1").total == 1
    (entry,) = history.entries().entries
    kept = history.record(entry).prompt
    assert kept == prompt.strip()[:100_000]
    again = read_picture_settings(imported)
    assert again.values["seed"] == 1
    assert "prompt" not in again.values
    assert any(each.startswith("Prompt must") for each in again.not_carried)


@pytest.mark.parametrize("text", [LINE, f"\nNegative prompt: blurry\n{LINE}"])
def test_picture_without_a_prompt_is_imported(history: History, tmp_path: Path, text: str) -> None:
    (imported,) = history.import_([png(tmp_path / "a.png", parameters=text)]).pictures
    (entry,) = history.entries("seed:1").entries
    assert entry.prompt == ""
    assert "prompt" not in read_picture_settings(imported).values


@pytest.mark.parametrize("text", ['"a \\ud800 b"', '"\\udfff"'])
def test_half_of_a_surrogate_pair_is_replaced(history: History, tmp_path: Path, text: str) -> None:
    names = f"Sampler: {text}, Model: {text}, Schedule type: {text}"
    (imported,) = history.import_(
        [png(tmp_path / "a.png", parameters=f"a cat\n{LINE}, {names}")]
    ).pictures
    imported.with_suffix(".json").read_text(encoding="utf-8")
    assert history.entries("cat").total == 1


@pytest.mark.parametrize("year", [1905, 1969, 1970, 1980, 2200, 2400])
def test_picture_of_any_year_is_imported_and_listed(
    history: History, tmp_path: Path, year: int
) -> None:
    newer = png(tmp_path / "b.png", parameters=f"a dog\n{LINE}")
    path = png(tmp_path / "a.png", parameters=f"a cat\n{LINE}")
    for file, when in ((path, year), (newer, year + 1)):
        time = datetime(when, 6, 1, 12, tzinfo=UTC).timestamp()
        os.utime(file, (time, time))
    assert len(history.import_([path, newer]).pictures) == 2
    assert [each.prompt for each in history.entries().entries] == ["a dog", "a cat"]
    (entry,) = history.entries(f"date:{year}").entries
    assert (entry.time.year, entry.prompt) == (year, "a cat")
    assert history.get(entry.id) == entry
    assert history.reindex().added == 2
    assert history.entries(f"date:{year}-06").total == 1
    assert history.skipped() == ()


@pytest.mark.parametrize(
    "timestamp",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00-12:00",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59+14:00",
        "1969-12-31T23:59:59.999Z",
    ],
)
@pytest.mark.parametrize("with_json", [True, False])
def test_record_of_any_date_is_imported_and_listed(
    history: History, tmp_path: Path, timestamp: str, with_json: bool
) -> None:
    made = record("a cat", timestamp=datetime.fromisoformat(timestamp))
    saved = history.save(picture(), made, 0, file=tmp_path / "a.png")
    if not with_json:
        saved.json_path.unlink()
    assert len(history.import_([saved.path]).pictures) == 1
    (entry,) = history.entries("cat").entries
    assert abs(entry.time.year - made.timestamp.year) <= 1
    assert history.stats().first == entry.time


@pytest.mark.parametrize("date", [(1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)])
def test_picture_in_a_zip_of_any_date_is_listed(
    history: History, tmp_path: Path, date: tuple[int, int, int, int, int, int]
) -> None:
    path = png(tmp_path / "a.png", parameters=f"a cat\n{LINE}")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.png", date_time=date), path.read_bytes())
    assert len(history.import_([tmp_path / "a.zip"]).pictures) == 1
    assert history.entries(f"date:{date[0]}").total == 1
