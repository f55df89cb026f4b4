"""Which pages of the history are listed when reads finish out of order."""

from __future__ import annotations

import asyncio

import pytest

from sdtui.tui.panes.history_search import HistorySearch, PageLoad


@pytest.fixture
def search() -> HistorySearch:
    return HistorySearch()


def finish(search: HistorySearch, load: PageLoad) -> bool:
    """Finish the read of a page; returns True if it is listed."""
    search.end(load)
    return search.accept(load)


def test_results_of_the_search_line_are_listed(search: HistorySearch) -> None:
    load = search.enter("cat")
    assert (search.entered, search.listed) == ("cat", "")
    assert not search.is_answered
    assert finish(search, load)
    assert search.listed == "cat"
    assert search.is_answered


def test_results_of_an_earlier_search_are_not_listed(search: HistorySearch) -> None:
    earlier, later = search.enter("c"), search.enter("cat")
    assert not finish(search, earlier)
    assert not search.is_answered
    assert search.listed == ""
    assert finish(search, later)
    assert not finish(search, earlier)
    assert search.listed == "cat"


def test_failed_search_leaves_the_list_and_ends_the_wait(search: HistorySearch) -> None:
    finish(search, search.enter("cat"))
    search.end(search.enter("colour:red"))
    assert search.is_answered
    assert search.listed == "cat"
    assert finish(search, search.add_page(100))


def test_page_that_began_before_a_reload_is_outdated(search: HistorySearch) -> None:
    early = search.add_page(100)
    (reload,) = search.reload(0)
    assert finish(search, reload)
    assert not finish(search, early)
    assert finish(search, search.add_page(100))


def test_page_that_arrives_before_a_reload_is_listed_meanwhile(search: HistorySearch) -> None:
    early = search.add_page(100)
    (reload,) = search.reload(0)
    assert finish(search, early)
    assert finish(search, reload)


def test_older_of_two_reloads_is_outdated(search: HistorySearch) -> None:
    (older,), (newer,) = search.reload(0), search.reload(0)
    assert finish(search, newer)
    assert not finish(search, older)


def test_reload_repeats_a_search_that_is_under_way(search: HistorySearch) -> None:
    first = search.enter("cat")
    reload, again = search.reload(200)
    assert (reload.query, reload.offset, reload.replaces) == ("", 200, True)
    assert (again.query, again.offset, again.replaces) == ("cat", 0, True)
    assert finish(search, again)
    assert not finish(search, reload)  # the list shows another query now
    assert not finish(search, first)


def test_reload_does_not_repeat_a_search_that_failed(search: HistorySearch) -> None:
    search.end(search.enter("colour:red"))
    assert [load.query for load in search.reload(0)] == [""]


def test_page_of_the_list_does_not_end_the_wait_for_a_search(search: HistorySearch) -> None:
    search.enter("cat")
    page, replacement = search.add_page(100), search.replace_page(0)
    assert finish(search, page)
    assert finish(search, replacement)
    assert not search.is_answered


def test_returning_to_the_listed_query_waits_for_its_results(search: HistorySearch) -> None:
    finish(search, search.enter("cat"))
    search.enter("ca")
    again = search.enter("cat")
    assert not search.is_answered
    assert finish(search, again)
    assert search.is_answered


async def test_wait_ends_when_the_search_is_answered(search: HistorySearch) -> None:
    load = search.enter("cat")
    waiting = asyncio.create_task(search.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    search.end(load)
    await waiting
