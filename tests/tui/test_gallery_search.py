"""Which results are listed when reads finish out of order."""

from __future__ import annotations

import asyncio

import pytest

from sdtui.tui.gallery.search import GallerySearch, Load


@pytest.fixture
def search() -> GallerySearch:
    return GallerySearch()


def finish(search: GallerySearch, load: Load) -> bool:
    """Finish a read; returns True if it is listed."""
    search.end(load)
    return search.accept(load)


def test_results_of_the_search_line_are_listed(search: GallerySearch) -> None:
    load = search.enter("cat")
    assert (search.entered, search.listed) == ("cat", "")
    assert not search.is_answered
    assert finish(search, load)
    assert search.listed == "cat"
    assert search.is_answered


def test_results_of_an_earlier_search_are_not_listed(search: GallerySearch) -> None:
    earlier, later = search.enter("c"), search.enter("cat")
    assert not finish(search, earlier)
    assert not search.is_answered
    assert search.listed == ""
    assert finish(search, later)
    assert not finish(search, earlier)
    assert search.listed == "cat"


def test_failed_search_leaves_the_list_and_ends_the_wait(search: GallerySearch) -> None:
    finish(search, search.enter("cat"))
    search.end(search.enter("colour:red"))
    assert search.is_answered
    assert search.listed == "cat"
    (reload,) = search.reload()
    assert finish(search, reload)


def test_older_of_two_reloads_is_listed_meanwhile(search: GallerySearch) -> None:
    (older,), (newer,) = search.reload(), search.reload()
    assert finish(search, older)
    assert finish(search, newer)


def test_older_of_two_reloads_is_outdated(search: GallerySearch) -> None:
    (older,), (newer,) = search.reload(), search.reload()
    assert finish(search, newer)
    assert not finish(search, older)


def test_reload_repeats_a_search_that_is_under_way(search: GallerySearch) -> None:
    first = search.enter("cat")
    reload, again = search.reload()
    assert reload.query == ""
    assert again.query == "cat"
    assert finish(search, again)
    assert not finish(search, reload)  # the list shows another query now
    assert not finish(search, first)


def test_reload_does_not_repeat_a_search_that_failed(search: GallerySearch) -> None:
    search.end(search.enter("colour:red"))
    assert [load.query for load in search.reload()] == [""]


def test_reload_of_the_list_does_not_end_the_wait_for_a_search(search: GallerySearch) -> None:
    search.enter("cat")
    assert finish(search, search.reload()[0])
    assert not search.is_answered


def test_returning_to_the_listed_query_waits_for_its_results(search: GallerySearch) -> None:
    finish(search, search.enter("cat"))
    search.enter("ca")
    again = search.enter("cat")
    assert not search.is_answered
    assert finish(search, again)
    assert search.is_answered


async def test_wait_ends_when_the_search_is_answered(search: GallerySearch) -> None:
    load = search.enter("cat")
    waiting = asyncio.create_task(search.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    search.end(load)
    await waiting
