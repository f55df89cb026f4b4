"""`sdtui expand`: what alternatives, wildcards and styles make of a prompt."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from sdtui.cli.options import options_for, request_values
from sdtui.core.text import one_line


@click.command()
@click.argument("prompt")
@options_for("negative_prompt", "seed", "num_images_per_prompt", "styles", "dynamic_prompts")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def expand(prompt: str, as_json: bool, **flags: Any) -> None:
    """Show what PROMPT becomes for each picture ("-" reads it from stdin). The same seed gives the
    same pictures' prompts in `sdtui generate`."""
    from sdtui.cli.backend import open_prompts
    from sdtui.cli.prompts import prompt_text
    from sdtui.core.settings import load_settings
    from sdtui.requests.request import GenerationRequest

    settings = load_settings()
    given = {**settings.request_defaults(), **request_values(flags), "prompt": prompt_text(prompt)}
    resolved = open_prompts(settings).resolve(GenerationRequest.parse(given))
    request = resolved.request
    made = [asdict(each) for each in resolved.prompts] or [
        {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    ] * request.num_images_per_prompt
    if as_json:
        click.echo(json.dumps(made, indent=2))
    else:
        for each in made:
            negative = each["negative_prompt"]
            shown = f"  − {one_line(negative)}" if negative else ""
            click.echo(f"{one_line(each['prompt'])}{shown}")
    for notice in resolved.notices:
        click.echo(one_line(notice), err=True)
