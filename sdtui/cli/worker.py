"""`sdtui worker`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click


@click.command()
@click.option(
    "--join",
    "address",
    required=True,
    metavar="HOST:PORT",
    help="The address that the server was given with --cluster.",
)
@click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A copy of the server's key. [cluster.key in the folder of the configuration]",
)
@click.option(
    "--gpus",
    metavar="LIST",
    help="Devices that work: all, or some as in 0,2 or cpu,cpu."
    " [the setting, else all GPUs, else the CPU]",
)
@click.option(
    "--grace",
    type=click.FloatRange(0, 3600),
    default=100,
    show_default=True,
    help="Seconds that the current pictures get to end on SIGTERM.",
)
def worker(address: str, key_file: Path | None, gpus: str | None, grace: float) -> int:
    """Let this machine's devices make pictures for a server: `sdtui serve --cluster HOST:PORT`.

    Joins again when the line was cut or the server was restarted. On SIGTERM the current pictures
    are finished; the server lets others do the rest.
    """
    from sdtui.cluster import ray_node
    from sdtui.cluster.join import join
    from sdtui.core.settings import load_settings, parse_setting

    ray_node.check_installed()
    settings = load_settings()
    if gpus is not None:
        settings = replace(settings, gpus=parse_setting("gpus", gpus))
    join(
        address,
        key_file or ray_node.default_key_file(),
        settings,
        grace,
        lambda text: click.echo(text, err=True),
    )
    return 0
