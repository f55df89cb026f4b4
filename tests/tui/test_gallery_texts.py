"""What stands under and above pictures, and which entries are known."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.style import Style

from sdtui.core import paths
from sdtui.history import Entry
from sdtui.jobs.backends.pictures import LocalPictures
from sdtui.tui.gallery.captions import (
    CaptionStyles,
    about,
    age,
    caption,
    details,
    first_words,
    forming_heading,
    heading,
    list_line,
    seed_end,
)
from sdtui.tui.gallery.entries import KnownEntries
from sdtui.tui.gallery.listing import Wanted, read_listing
from sdtui.tui.saved_searches import saved_searches, toggle_search
from tests.support.fake_pictures import FakePictures
from tests.support.records import NOON, picture, record

STYLES = CaptionStyles(*[Style.null()] * 5)
NOW = datetime(2026, 11, 28, 22, 0).astimezone()


@pytest.fixture
def entry() -> Entry:
    return FakePictures("a tiger on a blue background").entries().entries[0]


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=2), "today 20:00"),
        (timedelta(hours=23), "yesterday 23:00"),
        (timedelta(days=2), "Thu 26 Nov 22:00"),
        (timedelta(days=500), "2025-07-16 22:00"),
        (-timedelta(days=1), "2026-11-29 22:00"),
    ],
)
def test_age_is_told_as_people_do(ago: timedelta, said: str) -> None:
    assert age(NOW - ago, NOW) == said


def test_seed_is_told_by_its_end() -> None:
    assert [seed_end(seed) for seed in (None, 7, 1234, 1279175637)] == ["", "7", "1234", "…637"]


def test_first_words_are_whole_where_they_fill_the_width() -> None:
    assert first_words("a green frog", 10) == "green frog"
    assert first_words("the green frogs", 10) == "green fro…"
    assert first_words("A purple butterfly", 10) == "purple"
    assert first_words("supercalifragilistic", 10) == "supercali…"
    assert first_words("  two\n lines\x1b ", 20) == "two lines\\x1b"


@pytest.mark.parametrize(
    ("number", "has_cursor", "is_marked", "text"),
    [
        (3, False, False, " 3  "),
        (3, True, False, "▸3  "),
        (12, True, True, "▸◆12 "),
        (None, False, True, " ◆tiger on a"),
    ],
)
def test_caption_has_signs_number_and_seed(
    entry: Entry, number: int | None, has_cursor: bool, is_marked: bool, text: str
) -> None:
    line = caption(entry, number, 12, STYLES, has_cursor=has_cursor, is_marked=is_marked)
    assert line.cell_len == 12
    assert line.plain.startswith(text)


def test_narrow_headings_leave_the_prompt_out(entry: Entry) -> None:
    assert heading(entry, 2, NOW, [], STYLES, 19).plain.endswith(" ×2")
    assert "tiger" not in heading(entry, 2, NOW, [], STYLES, 19).plain
    assert "tiger" in heading(entry, 2, NOW, [], STYLES, 60).plain
    assert forming_heading("a tiger", 8, STYLES, 12).plain == "now ×8"
    assert forming_heading("a tiger", 8, STYLES, 40).plain == "now · a tiger ×8"


def test_lines_are_cut_to_their_width_also_with_wide_letters(entry: Entry) -> None:
    found: list[tuple[int, int]] = []
    for width in (5, 20, 70, 100):
        for prompt in ("猫が好き" * 60, "", "word " * 200):
            changed = Entry(**{**vars(entry), "prompt": prompt})
            for text in (
                about(changed, NOW, found, STYLES, width),
                details(changed, STYLES, width),
                heading(changed, 8, NOW, found, STYLES, width),
                caption(changed, None, width, STYLES, has_cursor=True, is_marked=True),
            ):
                assert text.cell_len <= width
            line = list_line(changed, width, STYLES, NOW, found, has_cursor=True, is_marked=True)
            assert width < 20 or line.cell_len <= width


def test_known_entries_are_shown_until_they_were_read_again(entry: Entry) -> None:
    known = KnownEntries()
    assert known.missing([entry.id, 9]) == [entry.id, 9]
    known.add([entry.id, 9], [entry], known.change)
    assert known.missing([entry.id, 9]) == []
    change = known.change
    known.outdate()
    assert known.get(entry.id) is entry
    known.add([entry.id], [entry], change)  # it was read before
    assert known.missing([entry.id]) == [entry.id]
    known.clear()
    assert known.get(entry.id) is None


def test_only_the_entries_used_last_are_kept(entry: Entry) -> None:
    known = KnownEntries()
    for number in range(4000):
        known.add([number], [Entry(**{**vars(entry), "id": number})], known.change)
    assert known.get(0) is None
    assert known.get(3999) is not None
    assert known.missing([0, 3999]) == [0]


def test_listing_has_the_entries_around_the_cursor(tmp_path: Path) -> None:
    with LocalPictures(tmp_path / "pictures", index_file=tmp_path / "index.db") as history:
        for seed in range(200):
            run = record(seed=seed, timestamp=NOON + timedelta(minutes=seed))
            history.save(picture(8, 8), run, 0)
        ids = history.ids()
        listing = read_listing(history, Wanted("", ids[150]))
        assert listing.newest == ids[0]
        assert {ids[0], ids[150], ids[199], ids[100]} <= {each.id for each in listing.entries}
        assert ids[75] not in {each.id for each in listing.entries}


@pytest.mark.parametrize("query", ["", "cat"])
def test_pictures_from_before_a_job_are_not_counted_as_its_own(tmp_path: Path, query: str) -> None:
    with LocalPictures(tmp_path / "pictures", index_file=tmp_path / "index.db") as history:
        history.save(picture(8, 8), record("a cat", timestamp=NOON), 0)
        began = read_listing(history, Wanted(query, None, has_forming=True))
        assert began.order.group(0).count == 1  # the forming picture alone
        later = NOON + timedelta(minutes=1)
        history.save(picture(8, 8), record("a cat", timestamp=later), 0)
        since = began.newest + 1
        goes_on = read_listing(history, Wanted(query, None, True, since))
        assert goes_on.order.group(0).count == 2


def test_searches_are_saved_latest_first_and_forgotten() -> None:
    assert saved_searches() == []
    assert toggle_search("cat")
    assert toggle_search(" star:yes ")
    assert saved_searches() == ["star:yes", "cat"]
    assert not toggle_search("cat")
    assert saved_searches() == ["star:yes"]
    (paths.state_folder() / "searches.json").write_text('[1, "", "dog"')
    assert saved_searches() == []
    assert toggle_search("cow")
    assert saved_searches() == ["cow"]
