"""`sdtui serve`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.server_options import (
    ServeCommand,
    naming_option,
    options_from,
    server_option,
    server_options,
)
from sdtui.core.enums import Policy
from sdtui.core.errors import SettingsError
from sdtui.core.text_files import UnreadableTextError, decode_text, split_lines
from sdtui.core.unix_sockets import hold_socket

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend
    from sdtui.jobs.workers.worker import WorkerPool
    from sdtui.server.options import ServerOptions

_KEY = "SDTUI_API_KEY"


@click.command(cls=ServeCommand)
@server_option("--model", "-m", help="The model to use where a request names none.")
@server_option(
    "--gpus",
    metavar="LIST",
    help="Devices that work at the same time: all, or some as in 0,2 or cpu,cpu. [the setting]",
)
@server_option(
    "--policy",
    type=click.Choice([each.value for each in Policy]),
    help="What may be done when memory runs out. [native API: as configured, others: strict]",
)
@server_option(
    "--cluster",
    metavar="HOST:PORT",
    help="Let other machines work, which join at this address of this one with sdtui worker.",
)
@server_option(
    "--cluster-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Their key; made if it is missing. [cluster.key in the folder of the configuration]",
)
@server_option(
    "--api-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"A file that holds the API key. [else the variable {_KEY}]",
)
@server_options
def serve(
    model: str | None,
    gpus: str | None,
    policy: str | None,
    cluster: str | None,
    cluster_key_file: Path | None,
    api_key_file: Path | None,
    **others: Any,
) -> int:
    """Serve pictures over HTTP: the native API, A1111's and OpenAI's, and metrics.

    /docs describes every route. Listens on this machine alone unless --host says otherwise. Each
    option can also stand under [server] in the config file (port = 8080), or in the environment
    (SDTUI_SERVER_PORT=8080); flags count more than the environment, and it more than the file.
    """
    from sdtui.cli.backend import open_local_backend, open_models
    from sdtui.cli.logs import log_to_file, warn_on_stderr
    from sdtui.core import paths

    run, options_class = import_server()

    log_to_file()
    warn_on_stderr()
    settings = _settings(model, gpus, policy)
    open_models(settings).find(settings.model)  # a wrong name is reported at once
    options = options_class(
        api_key=_read_key(api_key_file),
        compatible_policy=Policy(policy or Policy.STRICT),
        **options_from(others),
    )

    pool = None if cluster is None else _open_cluster(cluster, cluster_key_file, settings)
    if options.unix_socket is not None:
        claim(options.unix_socket)

    def open_served() -> Backend:
        return open_local_backend(
            settings,
            queue_folder=paths.server_folder(),
            queue_limit=options.queue_limit,
            sample_interval=5.0,
            pool=pool,
            stall_seconds=options.stall_timeout if isfinite(options.stall_timeout) else None,
            groups_models=True,
        )

    def on_start(address: str) -> None:
        click.echo(f"sdtui serves {address}", err=True)

    return run(settings, options, on_start, open_served)


def _settings(model: str | None, gpus: str | None, policy: str | None) -> Settings:
    """Return the settings with what the options change. Raises SettingsError."""
    from sdtui.core.settings import load_settings, parse_setting

    settings = replace(load_settings(), connect="here")  # a server's backend is its own
    if model is not None:
        settings = replace(settings, model=model)
    if gpus is not None:
        with naming_option("--gpus"):
            settings = replace(settings, gpus=parse_setting("gpus", gpus))
    if policy is not None:
        settings = replace(settings, policy=Policy(policy))
    return settings


def _open_cluster(address: str, key_file: Path | None, settings: Settings) -> WorkerPool:
    """Return the workers of other machines. Raises SettingsError."""
    from sdtui.cluster import ray_node
    from sdtui.cluster.pool import ClusterPool

    ray_node.check_installed()
    host, _ = ray_node.parse_address(address)
    ray_node.resolved(host)
    file = key_file or ray_node.default_key_file()
    ray_node.make_key(file)
    return ClusterPool(address, file, previews=settings.previews)


def import_server() -> tuple[Callable[..., int], type[ServerOptions]]:
    """Return what runs a server, and its options. Raises SettingsError if its packages are
    missing, as in an installation without an engine."""
    try:
        from sdtui.server.lifecycle import serve as run
        from sdtui.server.options import ServerOptions
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"the server needs {error.name}, which is not installed",
            "In the folder of sdtui's source, run pip install .",
        ) from error
    return run, ServerOptions


def claim(path: Path) -> None:
    """Hold the right to listen at a Unix socket for the life of this process. Raises SettingsError
    if another process has it."""
    if hold_socket(path) is None:
        raise SettingsError(f"another sdtui listens at {path}", "Give another path")


def _read_key(file: Path | None) -> str | None:
    """Return the API key: from the file if there is one, else from the variable, where an empty one
    means no key."""
    if file is None and not os.environ.get(_KEY):
        return None
    try:
        data = os.fsencode(os.environ[_KEY]) if file is None else file.read_bytes()
        if file is not None and os.name != "nt" and file.stat().st_mode & 0o077:
            click.echo(f"{file} can be read by others: chmod 600 {file}", err=True)
        key = decode_text(data).strip()
    except (OSError, UnreadableTextError) as error:
        raise _no_key(file) from error
    if not key or len(split_lines(key)) > 1:
        raise _no_key(file)
    return key


def _no_key(file: Path | None) -> SettingsError:
    where = f"the variable {_KEY}" if file is None else str(file)
    return SettingsError(f"{where} holds no API key", "Write the key into it, on one line")
