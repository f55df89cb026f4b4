"""`sdtui samplers`."""

from __future__ import annotations

import json

import click

from sdtui.core.samplers import sampler_labels


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def samplers(as_json: bool) -> None:
    """List the samplers under the names that --sampler takes."""
    labels = sampler_labels()
    click.echo(json.dumps(labels) if as_json else "\n".join(labels))
