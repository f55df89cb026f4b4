"""`sdtui styles`: the texts that --style adds to prompts."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sdtui.core.text import one_line

if TYPE_CHECKING:
    from sdtui.jobs import Prompts

_NAME_COLUMNS = 24


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def styles(context: click.Context, as_json: bool) -> None:
    """List the styles, or change them."""
    if context.invoked_subcommand is not None:
        return
    found = _prompts().styles()
    if as_json:
        click.echo(json.dumps([asdict(style) for style in found], indent=2))
        return
    for style in found:
        negative = f"  − {one_line(style.negative_prompt)}" if style.negative_prompt else ""
        click.echo(f"{one_line(style.name):{_NAME_COLUMNS}}  {one_line(style.prompt)}{negative}")


@styles.command()
@click.argument("name")
@click.argument("prompt")
@click.option("--negative", "-n", default="", help="The text for the negative prompt.")
def add(name: str, prompt: str, negative: str) -> None:
    """Add the style NAME, or replace it. PROMPT may hold {prompt}, the place of the prompt."""
    from sdtui.requests.styles import Style

    _prompts().save_style(Style(name, prompt, negative))


@styles.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the style NAME."""
    _prompts().delete_style(name)


def _prompts() -> Prompts:
    from sdtui.cli.backend import open_prompts
    from sdtui.core.settings import load_settings

    return open_prompts(load_settings())
