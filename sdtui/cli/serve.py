"""`sdtui serve`."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.logs import LogFormat
from sdtui.cli.server_options import ServeCommand, parse_again, server_option, server_options
from sdtui.cli.server_settings import KEY_VARIABLE, options_of_server, server_settings
from sdtui.cli.server_start import announce
from sdtui.core.enums import Policy
from sdtui.core.errors import SettingsError
from sdtui.core.unix_sockets import hold_socket

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend
    from sdtui.jobs.workers.worker import WorkerPool
    from sdtui.server.options import ServerOptions


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
    help=f"A file that holds the API key. [else the variable {KEY_VARIABLE}]",
)
@server_option(
    "--log-format",
    type=click.Choice([each.value for each in LogFormat]),
    default=LogFormat.TEXT.value,
    show_default=True,
    help="How lines of the log are written, on stderr too.",
)
@server_options
@click.option("--check", is_flag=True, help="Say what would go wrong, and don't serve.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings of --check as JSON.")
@click.pass_context
def serve(
    context: click.Context, /, check: bool, as_json: bool, log_format: str, **values: Any
) -> int:
    """Serve pictures over HTTP: the native API, A1111's and OpenAI's, and metrics.

    /docs describes every route. Listens on this machine alone unless --host says otherwise. Each
    option can also stand under [server] in the config file (port = 8080), or in the environment
    (SDTUI_SERVER_PORT=8080); flags count more than the environment, and it more than the file.
    """
    from sdtui.cli.backend import open_local_backend, open_models
    from sdtui.cli.logs import log_to_file, log_to_stderr
    from sdtui.core import paths

    run, _ = import_server()
    if check:
        from sdtui.cli.serve_check import check_server

        return check_server(context, as_json=as_json)
    log_to_file(None, LogFormat(log_format))
    log_to_stderr(LogFormat(log_format))
    settings, options = server_settings(values), options_of_server(values)
    open_models(settings).find(settings.model)  # a wrong name is reported at once
    pool = _open_cluster(values["cluster"], values["cluster_key_file"], settings)
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

    return run(
        settings,
        options,
        lambda url: announce(url, settings, options, LogFormat(log_format)),
        open_served,
        lambda: options_of_server(parse_again(context)),
    )


def _open_cluster(
    address: str | None, key_file: Path | None, settings: Settings
) -> WorkerPool | None:
    """Return the workers of other machines, if they may join. Raises SettingsError."""
    if address is None:
        return None
    from sdtui.cluster import ray_node
    from sdtui.cluster.pool import ClusterPool

    ray_node.check_installed()
    ray_node.check_can_listen(*ray_node.parse_address(address))
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
