"""`sdtui fetch`."""

from __future__ import annotations

import queue
import sys
from typing import TYPE_CHECKING

import click

from sdtui.cli.connect import connect_option, connected_settings
from sdtui.core.text import one_line

if TYPE_CHECKING:
    from sdtui.requests.events import JobEvent

_WAIT_SECONDS = 0.2
"""Between two looks at whether ^C was pressed."""


@click.command()
@connect_option
@click.argument("hub_id", metavar="HUB_ID")
@click.option(
    "--without-transformer",
    is_flag=True,
    help="Only the parts that complete a transformer file: text encoders, VAE and configs.",
)
@click.option(
    "--without-weights",
    is_flag=True,
    help="Only configs and tokenizers, for a transformer file, text encoders and a VAE that are "
    "single files.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
def fetch(hub_id: str, without_transformer: bool, without_weights: bool, quiet: bool) -> None:
    """Download a model from the hub into the hub's cache, and print its folder."""
    from sdtui.cli.backend import open_models
    from sdtui.cli.progress_output import ProgressOutput
    from sdtui.core.errors import DownloadError

    models = open_models(connected_settings())
    events: queue.Queue[JobEvent] = queue.Queue()
    with ProgressOutput(quiet=quiet, bar=sys.stderr.isatty()) as output:
        download = models.download(
            hub_id,
            events.put,
            without_transformer=without_transformer,
            without_weights=without_weights,
        )
        try:
            while True:
                try:
                    envelope = events.get(timeout=_WAIT_SECONDS)
                except queue.Empty:
                    continue
                if envelope.event.kind != "downloading":
                    break
                output.put(envelope)
        except KeyboardInterrupt:
            models.cancel_download(download)
            raise
    event = envelope.event
    if event.kind == "failed":
        raise DownloadError(event.error, event.hint)
    if event.kind == "downloaded":
        click.echo(one_line(event.path))
