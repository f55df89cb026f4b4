"""`sdtui history`: the pictures that were made. stdout has data, stderr progress."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.connect import ConnectedGroup, connect_option, connected_settings
from sdtui.core.text import one_line, visible

if TYPE_CHECKING:
    from sdtui.history import Entry, Skipped
    from sdtui.jobs import Pictures

_PICTURES = click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
_QUERY = click.argument("query", nargs=-1)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class SearchCommand(click.Command):
    """A command with a search, whose words may begin with a minus, also with "-h"."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep those words from being taken for options."""
        at = args.index("--") if "--" in args else len(args)
        words = [each for each in args[:at] if len(each) > 2 and each[0] == "-" != each[1]]
        others = [each for each in args[:at] if each not in words]
        return super().parse_args(ctx, [*others, "--", *words, *args[at + 1 :]])


@click.group(cls=ConnectedGroup)
@connect_option
def history() -> None:
    """Find, mark and move the pictures that were made."""


@history.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, show_default=True)
@_JSON
def list_pictures(limit: int, offset: int, as_json: bool) -> None:
    """The newest pictures."""
    _find("", limit, offset, as_json)


@history.command(cls=SearchCommand, context_settings={"ignore_unknown_options": True})
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, show_default=True)
@_JSON
@click.argument("query", nargs=-1, required=True)
def search(query: tuple[str, ...], limit: int, offset: int, as_json: bool) -> None:
    """Pictures by words of their prompts, "phrases", -without, and fields: model: sampler:
    seed: size:512x768 star:yes tag: date:2026-11 w>=768 h steps<30 cfg strength."""
    _find(joined_query(query), limit, offset, as_json)


@history.command()
@click.argument("picture")
@_JSON
def show(picture: str, as_json: bool) -> None:
    """How a picture was made."""
    with open_history() as pictures:
        entry = pictures.get(picture)
        record = pictures.record(entry).model_dump(mode="json")
    record = {**record, "starred": entry.starred, "tags": entry.tags, "problem": entry.problem}
    if as_json:
        _print_json(record)
    else:
        _print_record(record)


@history.command()
@click.argument("picture")
@_JSON
def lineage(picture: str, as_json: bool) -> None:
    """What a picture was made from, and what was made from it."""
    from sdtui.cli.lineage import lineage_json, print_lineage

    with open_history() as pictures:
        found = pictures.lineage(picture)
        folder = pictures.folder
    if as_json:
        _print_json(lineage_json(found))
    else:
        print_lineage(found, folder)


@history.command()
@_PICTURES
@_JSON
def star(pictures: tuple[str, ...], as_json: bool) -> None:
    """Star pictures."""
    _change(pictures, lambda history, picture: history.star(picture), as_json)


@history.command()
@_PICTURES
@_JSON
def unstar(pictures: tuple[str, ...], as_json: bool) -> None:
    """Take the star of pictures away."""
    _change(pictures, lambda history, picture: history.unstar(picture), as_json)


@history.command()
@click.argument("tag")
@_PICTURES
@_JSON
def tag(tag: str, pictures: tuple[str, ...], as_json: bool) -> None:
    """Add a tag, one word, to pictures."""
    _change(pictures, lambda history, picture: history.tag(picture, tag), as_json)


@history.command()
@click.argument("tag")
@_PICTURES
@_JSON
def untag(tag: str, pictures: tuple[str, ...], as_json: bool) -> None:
    """Take a tag away from pictures."""
    _change(pictures, lambda history, picture: history.untag(picture, tag), as_json)


@history.command()
@click.argument("pictures", nargs=-1, metavar="[PICTURE...]")
@_JSON
def trash(pictures: tuple[str, ...], as_json: bool) -> None:
    """Move pictures into the trash; without a name, list what is in it."""
    with open_history() as history:
        moved = [history.trash(picture) for picture in pictures] if pictures else history.trashed()
    _print_paths(list(moved), as_json)


@history.command()
@_PICTURES
@_JSON
def restore(pictures: tuple[str, ...], as_json: bool) -> None:
    """Move pictures back out of the trash."""
    _change(pictures, lambda history, picture: history.restore(picture), as_json)


@history.command()
@click.option("--yes", is_flag=True, help="Don't ask.")
@_JSON
def empty(yes: bool, as_json: bool) -> None:
    """Delete what is in the trash for good."""
    with open_history() as history:
        count = len(history.trashed())
        if not yes:
            question = f"Delete {count:,} pictures in {_printable(history.trash_folder)} for good?"
            click.confirm(question, abort=True, err=True)
        deleted = history.empty_trash()
    if as_json:
        _print_json({"deleted": deleted})
    else:
        click.echo(f"{deleted:,} pictures deleted", err=True)


@history.command(cls=SearchCommand, context_settings={"ignore_unknown_options": True})
@click.argument("file", type=click.Path(path_type=Path))
@_JSON
@_QUERY
def export(file: Path, query: tuple[str, ...], as_json: bool) -> None:
    """Write the pictures that a search finds, or all, with their JSON into a zip FILE."""
    with open_history() as history:
        count = history.export(file, joined_query(query))
    if as_json:
        _print_json({"file": str(file), "pictures": count})
    else:
        click.echo(f"{count:,} pictures written to {_printable(file)}", err=True)


@history.command("import")
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@_JSON
def import_pictures(sources: tuple[Path, ...], as_json: bool) -> None:
    """Copy pictures in, ours or another tool's: picture files, folders, zips of `export`."""
    with open_history() as history:
        brought = history.import_(sources)
    if as_json:
        _print_json(dataclasses.asdict(brought))
        return
    _print_paths(list(brought.pictures), as_json)
    click.echo(f"{len(brought.pictures):,} brought in, {brought.known:,} known already", err=True)
    _narrate_skipped(brought.skipped)


@history.command()
@_JSON
def reindex(as_json: bool) -> None:
    """Rebuild the index from the JSON files, and say what can't be listed."""
    with open_history(refresh=False) as history:
        changes = history.reindex(_narrate_progress)
        skipped = history.skipped()
    if as_json:
        _print_json({"pictures": changes.added, "skipped": [vars(each) for each in skipped]})
        return
    click.echo(f"{changes.added:,} pictures, {len(skipped):,} files skipped", err=True)
    _narrate_skipped(skipped)


@history.command()
@_JSON
def stats(as_json: bool) -> None:
    """The history in numbers."""
    with open_history() as history:
        numbers = dataclasses.asdict(history.stats())
    if as_json:
        _print_json(numbers)
    else:
        _print_record(numbers)


@contextmanager
def open_history(*, refresh: bool = True, here: bool = False) -> Iterator[Pictures]:
    """Open the pictures, with what other programs changed; those of this machine if `here`."""
    from sdtui.cli.backend import open_pictures

    settings = connected_settings()
    if here:
        settings = dataclasses.replace(settings, connect="here")
    with open_pictures(settings) as opened:
        if refresh:
            opened.refresh()
        yield opened


def joined_query(query: tuple[str, ...]) -> str:
    """Return the search query, with the quotes around phrases that the shell removed. An argument
    with a field, a minus or quotes of its own is a query rather than a phrase."""
    from sdtui.history import is_query

    return " ".join(
        f'"{argument}"' if len(argument.split()) > 1 and not is_query(argument) else argument
        for argument in query
    )


def _find(query: str, limit: int, offset: int, as_json: bool) -> None:
    with open_history() as history:
        page = history.entries(query, offset=offset, limit=limit)
        skipped = len(history.skipped())
        folder = history.folder
    if as_json:
        entries = [dataclasses.asdict(entry) for entry in page.entries]
        _print_json({"total": page.total, "offset": page.offset, "entries": entries})
        return
    for entry in page.entries:
        _print_entry(entry, folder)
    click.echo(f"{len(page.entries):,} of {page.total:,} pictures", err=True)
    if skipped:
        click.echo(f'{skipped:,} files skipped; "sdtui history reindex" says why', err=True)


def _change(
    pictures: tuple[str, ...], change: Callable[[Pictures, str], Entry], as_json: bool
) -> None:
    with open_history() as history:
        entries = [change(history, picture) for picture in pictures]
        folder = history.folder
    if as_json:
        _print_json([dataclasses.asdict(entry) for entry in entries])
    else:
        for entry in entries:
            _print_entry(entry, folder)


def _print_entry(entry: Entry, folder: Path) -> None:
    star = "★" if entry.starred else " "
    tags = "".join(f" #{one_line(tag)}" for tag in entry.tags)
    problem = f" ({entry.problem})" if entry.problem else ""
    prompt = one_line(entry.prompt)
    short = prompt if len(prompt) <= 60 else prompt[:59] + "…"
    where = _printable(entry.path.relative_to(folder))
    click.echo(f"{star} {where}  {entry.width}x{entry.height}  {short}{tags}{problem}")


def _print_record(record: dict[str, Any], indent: str = "") -> None:
    for name, value in record.items():
        if isinstance(value, dict) and value:
            click.echo(f"{indent}{one_line(str(name))}:")
            _print_record(value, indent + "  ")
        elif value not in (None, "", [], (), {}):
            text = value if isinstance(value, str) else json.dumps(value, default=_plain)
            click.echo(f"{indent}{one_line(str(name))}: {visible(text, keep=chr(10))}")


def _print_paths(paths: list[Path], as_json: bool) -> None:
    if as_json:
        _print_json(paths)
    else:
        for path in paths:
            click.echo(_printable(path))


def _narrate_skipped(skipped: tuple[Skipped, ...]) -> None:
    for each in skipped:
        click.echo(f"skipped {_printable(each.path)}: {one_line(each.reason)}", err=True)


def _narrate_progress(read: int) -> None:
    if read % 10_000 == 0:
        click.echo(f"{read:,} files read", err=True)


def _printable(path: Path) -> str:
    return visible(str(path), keep="")


def _print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
