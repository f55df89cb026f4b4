"""`sdtui docs`: the manual in the terminal."""

from __future__ import annotations

import shutil
import sys

import click
from click.shell_completion import CompletionItem

from sdtui.core.text import nearest, one_line, visible
from sdtui.docs import TOPICS, plain_links, read_page

_LARGEST_WIDTH = 110
"""Columns; longer lines are hard to read."""


def _complete_topic(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(topic, help=about)
        for topic, about in TOPICS.items()
        if topic.startswith(incomplete)
    ]


@click.command()
@click.argument("topic", required=False, shell_complete=_complete_topic)
def docs(topic: str | None) -> None:
    """Read the manual: the page of a TOPIC, or without one the list of topics."""
    if topic is None:
        width = max(map(len, TOPICS))
        for name, about in TOPICS.items():
            click.echo(f"{name:<{width}}  {about}")
        return
    if topic not in TOPICS:
        near = nearest(topic, TOPICS)
        hint = f'Did you mean "{near}"?' if near else '"sdtui docs" lists the topics.'
        raise click.UsageError(f'There is no page "{one_line(topic)}". {hint}')
    page = visible(read_page(topic))
    if not sys.stdout.isatty():
        click.echo(page, nl=False)
        return
    rendered = _rendered(page)
    if rendered.count("\n") < shutil.get_terminal_size().lines:
        click.echo(rendered, nl=False)
    else:
        click.echo_via_pager(rendered)


def _rendered(page: str) -> str:
    """Return a page as rendered in the terminal."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(width=min(shutil.get_terminal_size().columns, _LARGEST_WIDTH))
    with console.capture() as capture:
        console.print(Markdown(plain_links(page), hyperlinks=False))
    return capture.get()
