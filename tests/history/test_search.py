"""The search language."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.history import History
from tests.support.records import NOON, picture, record


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Five pictures, a day apart, oldest first."""
    folder: Path = tmp_path_factory.mktemp("search")
    runs = [
        record("a tiger on a blue background", seed=1, steps=10, sampler="Euler a"),
        record("a red apple", negative_prompt="blue", seed=2, width=768, height=512),
        record("Café au lait, tiger's stripes", seed=3, guidance=4, model="stabilityai/sdxl-turbo"),
        record("猫 🐯 cat AND (dog OR mouse)", seed=4, steps=30),
        record('says "hello" NEAR the sea*', seed=5, init_image=Path("a.png"), strength=0.6),
    ]
    with History(folder / "pictures", folder / "index.db") as history:
        for day, run in enumerate(runs):
            moment = NOON.replace(month=1, day=10) + timedelta(days=31 * day)
            saved = history.save(picture(), run.model_copy(update={"timestamp": moment}), 0)
            if run.seed in (2, 4):
                history.star(saved.path)
            if run.seed == 3:
                history.tag(saved.path, "Coffee", "best")
        yield history


def seeds(history: History, query: str) -> list[int | None]:
    """The seeds of the pictures found, which pages and ids agree about."""
    entries = history.entries(query).entries
    ids = history.ids(query)
    assert list(ids) == [entry.id for entry in entries]
    assert history.entries_of(ids) == entries
    return [entry.seed for entry in entries]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("   ", [5, 4, 3, 2, 1]),
        ("tig", [3, 1]),
        ("TIGER", [3, 1]),
        ("blue", [2, 1]),
        ("tiger blue", [1]),
        ('"blue background"', [1]),
        ('"background blue"', []),
        ('"blue back"', []),
        ('"blue back', [1]),
        ("blue -tiger", [2]),
        ("-tiger", [5, 4, 2]),
        ('-"blue background" tiger', [3]),
        ("cafe", [3]),
        ("café", [3]),
        ("猫", [4]),
        ("🐯", [4]),
        ("🐱", []),
        ("model:pocket", [5, 4, 2, 1]),
        ("model:sdxl", [3]),
        ("model:stabilityai/sdxl-turbo", [3]),
        ("-model:pocket", [3]),
        ("sampler:euler", [1]),
        ('sampler:"DPM++ 2M"', [5, 4, 3, 2]),
        ("seed:3", [3]),
        ("seed>=3", [5, 4, 3]),
        ("size:768x512", [2]),
        ("w>=768", [2]),
        ("width>=768 h<=512", [2]),
        ("-w>=768", [5, 4, 3, 1]),
        ("steps<30", [5, 3, 2, 1]),
        ("steps=30", [4]),
        ("cfg<6.5", [3]),
        ("cfg<1e300", [5, 4, 3, 2, 1]),
        ("strength:0.6", [5]),
        ("strength>=0.6 hello", [5]),
        ("strength<0.6", []),
        ("-strength:0.6", [4, 3, 2, 1]),
        ("star:yes", [4, 2]),
        ("star:no", [5, 3, 1]),
        ("tag:coffee", [3]),
        ("tag:COFFEE tag:best", [3]),
        ("-tag:best", [5, 4, 2, 1]),
        ("date:2026-01", [1]),
        ("date:2026-02-10", [2]),
        ("date:2026", [5, 4, 3, 2, 1]),
        ("date:2025", []),
        ("date>=2026-03", [5, 4, 3]),
        ("date<2026-03", [2, 1]),
        ("date>2026-03", [5, 4]),
        ("date<=2026-03", [3, 2, 1]),
        ("model: tiger", [3, 1]),
        ("w>= tiger", [3, 1]),
        ("- tiger", [3, 1]),
        ("!!! tiger", [3, 1]),
        ("AND", [4]),
        ("OR", [4]),
        ("NEAR", [5]),
        ("NOT", []),
        ("sea*", [5]),
        ("(dog", [4]),
        ("^tiger", [3, 1]),
        ("tiger's", [3]),
        ("{prompt}", []),
        ("'; DROP TABLE entries; --", []),
    ],
)
def test_queries_find_the_matching_pictures(filled: History, query: str, found: list[int]) -> None:
    assert seeds(filled, query) == found
    assert filled.entries(query).total == len(found)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("modell:pocket", 'did you mean "model"'),
        ("colour:red", "there is no field"),
        ("steps:many", "takes a number"),
        ("seed:1e99999", "takes a number"),
        ("seed:99999999999999999999999", "takes a number"),
        ("seed:18446744073709551616", "at most 64 bits"),
        ("seed:-9223372036854775809", "at most 64 bits"),
        ("steps<9223372036854775808", "at most 64 bits"),
        ("cfg>nan", "takes a number"),
        ("size:big", "512x768"),
        ("star:maybe", "yes or no"),
        ("date:yesterday", "2026-11-22"),
        ("date:2026-13", "2026-11-22"),
        ("date:10000", "2026-11-22"),
        ("date:0000", "2026-11-22"),
        ("star>yes", "can't be compared"),
        ("model<x", "can't be compared"),
        ("a " * 50, "more than"),
        ("a" * 3000, "longer than"),
    ],
)
def test_wrong_query_is_refused_with_the_reason(filled: History, query: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        filled.entries(query)


def test_every_prefix_of_a_query_can_be_searched(filled: History) -> None:
    for query in (
        '"blue background" tiger -cat',
        "a:-\"'()*^{}+~NEAR/2",
        '""""',
        "--",
        "-",
        "\0\0",
    ):
        for end in range(len(query)):
            with contextlib.suppress(InvalidRequestError):
                filled.entries(query[:end])


def test_search_results_are_paged(filled: History) -> None:
    pages = [filled.entries("", offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    assert [[entry.seed for entry in page.entries] for page in pages] == [[5, 4], [3, 2], [1], []]
    assert [page.total for page in pages] == [5, 5, 5, 5]
    assert [entry.seed for entry in filled.every("tiger")] == [3, 1]


def test_pictures_with_equal_timestamps_have_distinct_entries(history: History) -> None:
    run = record(pictures=3)
    for index in (1, 0, 2, 1):
        history.save(picture(), run, index)
    entries = history.entries().entries
    assert len({entry.id for entry in entries}) == 4
    assert [entry.seed for entry in entries][1:] == [44, 43, 42]
    oldest = entries[-1]
    assert history.star(oldest.id).id == oldest.id


def test_entries_have_what_a_list_shows(filled: History) -> None:
    (entry,) = filled.entries("seed:3").entries
    assert entry.time == datetime(2026, 3, 13, 12, tzinfo=UTC)
    assert (entry.model, entry.sampler) == ("stabilityai/sdxl-turbo", "DPM++ 2M Karras")
    assert (entry.width, entry.height, entry.steps, entry.guidance) == (64, 64, 20, 4)
    assert (entry.starred, entry.tags, entry.problem) == (False, ("best", "coffee"), "")
    assert filled.get(entry.id) == filled.get(entry.path) == filled.get(entry.path.stem) == entry


def test_numbers_of_features_that_make_no_sense_are_not_searched(tmp_path: Path) -> None:
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        run = record("a cat", init_image=Path("a.png"), strength=0.6)
        for number, text in enumerate(("NaN", '"x"', "true", "1e300")):
            saved = history.save(picture(), run, 0)
            fields = saved.json_path.read_text().replace('"strength": 0.6', f'"strength": {text}')
            saved.json_path.write_text(fields)
            os.utime(saved.json_path, (number, number))
        history.refresh()
        assert history.entries("cat").total == 4
        assert history.entries("strength>0").total == 0


def test_removed_picture_is_not_found_by_its_numbers(tmp_path: Path) -> None:
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        saved = history.save(picture(), record(init_image=Path("a.png"), strength=0.6), 0)
        assert history.entries("strength:0.6").total == 1
        history.trash(saved.path)
        history.save(picture(), record(), 0)
        assert history.entries("strength:0.6").total == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [2**64 - 1, 2**63, 2**63 - 1, 0]),
        ("seed:18446744073709551615", [2**64 - 1]),
        ("seed>=9223372036854775808", [2**64 - 1, 2**63]),
        ("seed>9223372036854775807", [2**64 - 1, 2**63]),
        ("seed<9223372036854775808", [2**63 - 1, 0]),
        ("seed<=9223372036854775808 seed>0", [2**63, 2**63 - 1]),
        ("-seed:18446744073709551615", [2**63, 2**63 - 1, 0]),
        ("seed>-1", [2**64 - 1, 2**63, 2**63 - 1, 0]),
        ("seed:-1", []),
    ],
)
def test_seeds_of_64_bits_are_stored_and_compared(
    tmp_path: Path, query: str, found: list[int]
) -> None:
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        saved = history.save(picture(), record(), 0)
        text = saved.json_path.read_text()
        for number, seed in enumerate((0, 2**63 - 1, 2**63, 2**64 - 1)):
            time = (NOON + timedelta(days=number)).isoformat()
            changed = json.loads(text) | {"seed": seed, "timestamp": time}
            saved.path.with_name(f"{number}.png").write_bytes(saved.path.read_bytes())
            saved.path.with_name(f"{number}.json").write_text(json.dumps(changed))
        history.trash(saved.path)
        history.refresh()
        assert seeds(history, query) == found


TIMES = (
    "0001-01-01T00:00:00Z",
    "1601-06-01T12:00:00Z",
    "1969-12-31T12:00:00.5Z",
    "1970-01-02T12:00:00Z",
    "2026-11-22T12:00:00Z",
    "2199-12-30T12:00:00Z",
    "2200-06-01T12:00:00Z",
    "9999-06-01T12:00:00Z",
    "9999-12-31T23:59:59.999999Z",
)


@pytest.fixture(scope="module")
def of_all_times(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A picture of each of TIMES, numbered by its seed."""
    folder: Path = tmp_path_factory.mktemp("times")
    with History(folder / "pictures", folder / "index.db") as history:
        for number, time in enumerate(TIMES):
            saved = history.save(picture(), record(seed=number), 0)
            fields = json.loads(saved.json_path.read_bytes()) | {"timestamp": time}
            saved.json_path.write_text(json.dumps(fields))
        history.reindex()
        yield history


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("date:1969", [2]),
        ("date:1969-12-31", [2]),
        ("date<1970", [2, 1, 0]),
        ("date<2200", [5, 4, 3, 2, 1, 0]),
        ("date>=2200", [8, 7, 6]),
        ("date:2200-06", [6]),
        ("date>2199-12-31 date<2300", [6]),
        ("date:9999", [8, 7]),
        ("date:9999-12", [8]),
        ("date:9999-12-31", [8]),
        ("date>9999", []),
        ("date<=9999", [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("date:0001", [0]),
        ("date>0001-01-01", [8, 7, 6, 5, 4, 3, 2, 1]),
        ("date>=0001", [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("date<0001", []),
        ("-date:1601 date<1900", [0]),
    ],
)
def test_pictures_of_any_time_are_listed_and_found(
    of_all_times: History, query: str, found: list[int]
) -> None:
    assert seeds(of_all_times, query) == found


def test_pictures_of_any_time_are_paged_and_shown(of_all_times: History) -> None:
    pages = [of_all_times.entries("", offset=offset, limit=4) for offset in (0, 4, 8)]
    entries = [entry for page in pages for entry in page.entries]
    assert [entry.seed for entry in entries] == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert [of_all_times.get(entry.id) for entry in entries] == entries
    assert entries[-2].time == datetime(1601, 6, 1, 12, tzinfo=UTC)
    assert entries[-3].time == datetime(1969, 12, 31, 12, 0, 0, 500_000, tzinfo=UTC)
    assert of_all_times.stats().first == entries[-1].time
    assert of_all_times.star(entries[-3].id).starred
    of_all_times.unstar(entries[-3].id)
