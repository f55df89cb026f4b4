"""`sdtui mcp`."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from sdtui.cli.connect import connect_option, connected_settings
from sdtui.core import paths, runtime
from sdtui.core.enums import POCKET


@click.command()
@connect_option
def mcp() -> int:
    """Let an agent make pictures: tools over stdin and stdout, by the Model Context Protocol.

    Agents such as Claude or Cursor start this command; "sdtui docs agents" says how. It needs no
    server: pictures are made in its process, or where --connect says.
    """
    from sdtui.cli.backend import open_backend
    from sdtui.cli.daemon_process import own_limits
    from sdtui.cli.logs import log_to_file
    from sdtui.server.api.mcp.stdio import serve_stdio
    from sdtui.server.options import ServerOptions

    log_to_file()
    if sys.stdin.isatty():
        click.echo("An agent starts this command and talks to it: see sdtui docs agents.", err=True)
    settings = replace(connected_settings(), previews=False)
    backend = open_backend(settings)
    if backend.connection is not None and settings.model == POCKET:  # no other is configured
        settings = replace(settings, model=backend.models.default)
    options = ServerOptions(
        unload_after=settings.daemon_unload_minutes * 60 or None,
        state_folder=paths.state_folder() / "mcp",
        **own_limits(settings),
    )
    try:
        serve_stdio(settings, options, backend)
    finally:
        backend.close()
    runtime.leave(0)
