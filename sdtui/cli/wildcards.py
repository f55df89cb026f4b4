"""`sdtui wildcards`: what prompts can name as `__NAME__`."""

from __future__ import annotations

import json

import click

from sdtui.core.text import one_line


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def wildcards(name: str | None, as_json: bool) -> None:
    """List the wildcards, or the lines of NAME, in which * and ** stand for any names."""
    from sdtui.cli.backend import open_prompts
    from sdtui.core.settings import load_settings

    files = open_prompts(load_settings()).wildcards()
    found = files.names() if name is None else [line.text for line in files.lines(name)]
    click.echo(json.dumps(found) if as_json else "\n".join(map(one_line, found)))
    for path, problem in files.problems.items():
        click.echo(f"not read: {one_line(str(path))}: {one_line(problem)}", err=True)
