"""`sdtui prompt`."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import click

from sdtui.cli.options import options_for, request_values
from sdtui.core.enums import Emphasis, PromptSyntax
from sdtui.core.text import visible

_NEW_LINE = "\n" + 14 * " "
_SYNTAXES = [each.value for each in PromptSyntax]
_MODES = [each.value for each in Emphasis]


@click.command()
@click.argument("text")
@click.option("--model", "-m", default="", metavar="NAME", help="Whose tokens are counted.")
@click.option("--negative", "-n", is_flag=True, help="Read it as a negative prompt.")
@click.option("--steps", type=click.IntRange(1, 150), default=20, show_default=True)
@options_for("sampler")
@click.option("--prompt-syntax", "syntax", type=click.Choice(_SYNTAXES))
@click.option("--emphasis", type=click.Choice(_MODES), default="original")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prompt(
    text: str,
    model: str,
    negative: bool,
    steps: int,
    syntax: str | None,
    emphasis: str,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show how TEXT is read ("-" reads it from stdin): its tokens, chunks, weights and parts."""
    from sdtui.cli.backend import open_models
    from sdtui.cli.prompts import prompt_text
    from sdtui.core.errors import UnsupportedModelError
    from sdtui.core.samplers import calls_per_step, canonical_label
    from sdtui.core.settings import load_settings
    from sdtui.jobs.prompt_readers import prompt_reader
    from sdtui.models import reading_lines

    settings = load_settings()
    models = open_models(settings)
    source = models.find(model or settings.model)
    reader = prompt_reader(models, models.token_counters(source), models.describe(source))
    if reader is None:
        raise UnsupportedModelError(
            f"{source.name} takes prompts as they are written", "Name a model of Stable Diffusion"
        )
    sampler = {**settings.request_defaults(), **request_values(flags)}.get("sampler")
    reader = replace(
        reader,
        syntax=PromptSyntax(syntax or settings.prompt_syntax),
        emphasis=Emphasis(emphasis),
        steps=steps,
        calls=calls_per_step(canonical_label(sampler)) if sampler else 1,
    )
    reading = reader.read(prompt_text(text), is_negative=negative)
    if as_json:
        counts = {"tokens": reading.tokens, "capacity": reading.capacity}
        click.echo(json.dumps({**counts, **asdict(reading)}, indent=2))
        return
    for label, text in reading_lines(reading):
        click.echo(f"{label:>12}  {visible(text)}".replace("\n", _NEW_LINE))
