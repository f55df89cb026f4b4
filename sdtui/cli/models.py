"""`sdtui models`."""

from __future__ import annotations

import json

import click

from sdtui.core.text import one_line


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(as_json: bool) -> None:
    """List the models that are on this machine: pocket, the hub's cache, your model folders."""
    from sdtui.cli.backend import open_models
    from sdtui.core.errors import ModelError
    from sdtui.core.settings import load_settings

    found = []
    models = open_models(load_settings())
    for source in models.installed():
        entry: dict[str, object] = {"name": source.name, "path": str(source.path)}
        try:
            described = models.describe(source)
            assert described is not None  # it is installed
            entry |= {
                "family": described.family,
                "parameters": sum(described.parameters.values()),
                "width": described.native.width,
                "height": described.native.height,
            }
        except ModelError as error:
            entry["problem"] = str(error)
        found.append(entry)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_line(one) for one in found))


def _line(entry: dict[str, object]) -> str:
    name = one_line(str(entry["name"]))
    if "problem" in entry:
        return f"{name:40}  {one_line(str(entry['problem']))}"
    parameters = entry["parameters"]
    assert isinstance(parameters, int)
    return f"{name:40}  {entry['family']!s:8} {parameters / 1e6:8,.0f} M  {entry['width']} px"
