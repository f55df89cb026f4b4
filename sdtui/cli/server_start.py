"""What `sdtui serve` says when it starts."""

from __future__ import annotations

import logging

import click

from sdtui.cli.logs import LogFormat
from sdtui.core import paths
from sdtui.core.settings import Settings
from sdtui.core.text import one_line
from sdtui.server.options import ServerOptions

_log = logging.getLogger(__name__)


def announce(url: str, settings: Settings, options: ServerOptions, log_format: LogFormat) -> None:
    """Say on stderr where the server is, who may use it, and where it keeps what."""
    facts = {
        "access": access(options),
        "model": settings.model,
        "device": ", ".join(settings.gpus) or settings.device,
        "pictures": "not kept" if options.keep.is_nothing else str(settings.pictures),
        "log": str(paths.log_file()),
        "docs": f"{url}{options.root_path}/docs",
    }
    if log_format is LogFormat.JSON:
        _log.info("sdtui serves %s", url, extra={"fields": {"url": url, **facts}})
        return
    click.echo(f"sdtui serves {url}", err=True)
    for name, text in facts.items():
        click.echo(f"  {name:9} {one_line(text)}", err=True)


def access(options: ServerOptions) -> str:
    """Say who may use a server."""
    if options.has_keys:
        return "with an API key"
    if options.own_user_only:
        return "without a key, for your own user"
    if options.is_loopback:
        return "without a key, from this machine"
    return f"without a key, for everyone who reaches {options.host}"
