"""The tables of estimated memory in the manual."""

from __future__ import annotations

from tests.support.manual import PAGES
from tests.support.memory_tables import family_rows, stable_diffusion_rows


def test_tables_of_memory_have_what_is_estimated() -> None:
    """`python -m tests.support.memory_tables` prints them."""
    for page, rows in (("models", family_rows()), ("memory", stable_diffusion_rows())):
        lines = PAGES[page].read_text(encoding="utf-8").splitlines()
        assert [row for row in rows if row not in lines] == []
