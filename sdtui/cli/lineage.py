"""`sdtui history lineage`: what a picture was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.core.text import one_line, shortened, visible

if TYPE_CHECKING:
    from sdtui.history import Lineage, Relative

_HASH_DIGITS = 12


def print_lineage(lineage: Lineage, folder: Path) -> None:
    """Print the trees of a picture as text."""
    click.echo(_named(lineage.picture, folder))
    _print_tree("made from", lineage.parents, folder)
    _print_tree("used for", lineage.children, folder)
    if lineage.is_cut:
        click.echo("There are more pictures than are shown.", err=True)


def _print_tree(title: str, relatives: Sequence[Relative], folder: Path) -> None:
    from sdtui.history import tree_lines

    if relatives:
        click.echo(title)
    for lines, each in tree_lines(relatives):
        click.echo(f"{lines}{_named(each, folder)}")


def _named(relative: Relative, folder: Path) -> str:
    entry = relative.entry
    if entry is None:
        file = f"{relative.sha256[:_HASH_DIGITS]}… (not in the history)"
        if relative.file is not None:
            file = visible(str(relative.file), keep="")
        return "  ".join(part for part in (file, relative.use) if part)
    where = visible(str(entry.path.relative_to(folder)), keep="")
    prompt = shortened(one_line(entry.prompt))
    return "  ".join(part for part in (where, relative.step, prompt) if part)


def lineage_json(lineage: Lineage) -> dict[str, Any]:
    """Return the trees of a picture for JSON."""
    return {
        **_plain(lineage.picture),
        "parents": [_branch(each, "parents") for each in lineage.parents],
        "children": [_branch(each, "children") for each in lineage.children],
        "cut": lineage.is_cut,
    }


def _branch(relative: Relative, beyond: str) -> dict[str, Any]:
    return {**_plain(relative), beyond: [_branch(each, beyond) for each in relative.relatives]}


def _plain(relative: Relative) -> dict[str, Any]:
    entry = relative.entry
    path = entry.path if entry else relative.file
    return {
        "sha256": relative.sha256,
        "id": entry.id if entry else None,
        "path": str(path) if path else None,
        "prompt": entry.prompt if entry else None,
        "step": relative.step,
        "use": relative.use,
    }
