"""The manual and the README, taken apart for the tests that hold them to the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from sdtui.cli.commands import sdtui
from sdtui.docs import TOPICS, page_file

ROOT = Path(__file__).parents[2]
PAGES = {topic: page_file(topic) for topic in TOPICS}
EVERY_PAGE = [ROOT / "README.md", *PAGES.values()]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|\s|/bin/)sdtui(?P<arguments>(?: +.*)?)$")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return [text for name, text in _FENCE.findall(page.read_text()) if name == language]


def code_spans(page: Path) -> list[str]:
    """Everything in backticks, outside the fenced blocks."""
    return _CODE.findall(_FENCE.sub("", page.read_text()))


def links(page: Path) -> list[str]:
    """The targets of all links and pictures, without those of the web."""
    found = _LINK.findall(_FENCE.sub("", page.read_text()))
    return [target for target in found if not target.startswith(("http://", "https://"))]


def anchors(page: Path) -> set[str]:
    """The headings' anchors, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of every `sdtui …` in a page's code."""
    fenced = (line for _, text in _FENCE.findall(page.read_text()) for line in text.splitlines())
    for code in (*fenced, *code_spans(page)):
        for part in re.split(r"&&|\|", code):
            explained = re.split(r"(?<=\S) {3,}", part.strip())[0]  # words follow in columns
            if found := _COMMAND.search(explained):
                yield shlex.split(found["arguments"], comments=True)


def metrics() -> dict[str, set[str]]:
    """The labels of each metric in the manual's table."""
    table = page_file("server").read_text().partition("## Metrics")[2]
    found: dict[str, set[str]] = {}
    for row in (line.split("|") for line in table.splitlines() if line.startswith("| `sdtui_")):
        names = re.findall(r"`(\w+)`", row[1])
        labels = [set(re.findall(r"\w+", each)) - {"none"} for each in row[2].split(";")]
        found |= zip(names, labels * len(names) if len(labels) == 1 else labels, strict=True)
    return found


def parse(arguments: list[str]) -> None:
    """Parse a command line without running it. Raises click.UsageError."""
    command: click.Command = sdtui
    while isinstance(command, click.Group):
        context = click.Context(command)
        if not arguments or arguments[0].startswith("-"):
            break
        name, *arguments = arguments
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no such command {name}")
        command = found
    context = click.Context(command)
    values, rest, parameters = command.make_parser(context).parse_args(list(arguments))
    if rest:
        raise click.UsageError(f"{rest} is too much")
    for parameter in parameters:
        value = values.get(parameter.name)
        if isinstance(value, str | bool | list | tuple) and not isinstance(
            parameter.type, click.Path
        ):
            parameter.type_cast_value(context, value)


def flags_of(*path: str) -> set[str]:
    """The long flags of a command, but --help."""
    command: click.Command = sdtui
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return {
        flag
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }
