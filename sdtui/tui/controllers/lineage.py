"""What the current picture was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sdtui.core.errors import HistoryError
from sdtui.core.text import one_line
from sdtui.tui.background import run_on_thread
from sdtui.tui.context import AppContext
from sdtui.tui.panes.gallery import Gallery

if TYPE_CHECKING:
    from sdtui.history import Entry, Lineage, Relative

_HASH_DIGITS = 12


class LineageController:
    """Shows the trees of a picture, from which the user goes to another."""

    def __init__(self, context: AppContext, gallery: Gallery) -> None:
        self._context = context
        self._gallery = gallery

    async def show(self, entry: Entry) -> None:
        """Show the trees of a picture."""
        from sdtui.tui.screens.search_dialog import ChooseScreen

        if self._gallery.is_trash:
            self._context.notify("The history hasn't got what is in the trash: u restores it.")
            return
        pictures = self._context.backend.pictures
        try:
            lineage = await run_on_thread(partial(pictures.lineage, entry.id))
        except HistoryError as error:
            self._context.show_error(error)
            return
        if not lineage.parents and not lineage.children:
            self._context.notify(
                "It was made from no other picture, and nothing was made from it.", timeout=4
            )
            return
        lines = dict(lineage_lines(lineage))
        current = next(line for line, each in lines.items() if each is lineage.picture)

        def go(line: str | None) -> None:
            if line is None:
                return
            chosen = lines[line]
            if chosen.entry is not None:
                self._gallery.go_to(chosen.entry.id)
            else:
                where = one_line(str(chosen.file or chosen.sha256))
                self._context.notify(f"The history hasn't got {where}.")

        self._context.push_screen(ChooseScreen("Origin", [*lines], current), go)


def lineage_lines(lineage: Lineage) -> Iterator[tuple[str, Relative]]:
    """Yield a line for each picture: what the picture was made from, itself, and what was made from
    it. No two are the same."""
    from sdtui.history import tree_lines

    seen: set[str] = set()
    own = [("▸ ", lineage.picture)]
    for lines, relative in (
        *_above(lineage.parents),
        *own,
        *tree_lines(lineage.children),
    ):
        line = f"{lines}{_named(relative)}"
        while line in seen:
            line += " "
        seen.add(line)
        yield line, relative


def _above(parents: Sequence[Relative]) -> Iterator[tuple[str, Relative]]:
    """Yield a tree upside down, so that the oldest picture is the first."""
    from sdtui.history import tree_lines

    turned = str.maketrans("└├", "┌├")
    for lines, relative in reversed([*tree_lines(parents)]):
        yield lines.translate(turned), relative


def _named(relative: Relative) -> str:
    entry = relative.entry
    if entry is None:
        if relative.file is not None:
            return f"{relative.use} · {one_line(str(relative.file))}"
        return f"{relative.sha256[:_HASH_DIGITS]}… (not in the history)"
    prompt = one_line(entry.prompt)
    name = entry.path.name
    return " · ".join(part for part in (relative.step, prompt, name) if part)
