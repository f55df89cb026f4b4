"""`sdtui keys`."""

from __future__ import annotations

import json
import sys

import click

from sdtui.cli.output import is_utf8
from sdtui.core.settings import load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def keys(as_json: bool) -> None:
    """List the app's keys, with the names by which the config file's [keys] table changes them."""
    from sdtui.tui.actions import ACTIONS
    from sdtui.tui.key_names import key_names
    from sdtui.tui.keymap import check_keymap, current_keymap

    changed = load_settings().keys
    check_keymap(changed)
    keymap = current_keymap(changed)
    rows = [(each.id, keymap.get(each.id, each.keys), each.help) for each in ACTIONS]
    if as_json:
        listed = [
            {"action": name, "keys": key.split(","), "help": text} for name, key, text in rows
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    ascii_only = not is_utf8(sys.stdout)
    written = [
        (name, " ".join(key_names(key, ascii_only=ascii_only)), text) for name, key, text in rows
    ]
    widths = [max(len(row[column]) for row in written) for column in (0, 1)]
    for name, key, text in written:
        click.echo(f"{name:<{widths[0]}}  {key:<{widths[1]}}  {text}")
