"""`sdtui serve --check`: what would go wrong, without serving."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import click

from sdtui.cli.backend import open_models
from sdtui.cli.server_options import ServeCommand, option_origin
from sdtui.cli.server_settings import options_of_server, server_settings
from sdtui.cli.server_start import access
from sdtui.core import paths
from sdtui.core.errors import SdtuiError, SettingsError
from sdtui.core.settings import ALL_GPUS, Settings
from sdtui.core.text import one_line
from sdtui.core.unix_sockets import hold_socket
from sdtui.server.listeners import listen
from sdtui.server.options import ServerOptions
from sdtui.server.services.key_ring import KeyRing
from sdtui.server.services.storage_check import folder_problem
from sdtui.server.tls import validity_problem


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Literal["ok", "warning", "problem"]
    about: str
    text: str


def check_server(context: click.Context, *, as_json: bool) -> int:
    """Print what was found for the options of a command line; return 1 if there is a problem."""
    findings = list(_findings(context))
    problems = sum(each.level == "problem" for each in findings)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        for each in findings:
            click.echo(f"{each.level:8} {each.about:9} {one_line(each.text)}")
        click.echo(f"{problems or 'no'} problem{'' if problems == 1 else 's'}")
    return 1 if problems else 0


def _findings(context: click.Context) -> Iterator[Finding]:
    assert isinstance(context.command, ServeCommand)
    for key, option in context.command.server_options.items():
        if origin := option_origin(context, option):
            value = context.params[str(option.name)]
            shown = ", ".join(value) if isinstance(value, tuple) else value
            yield Finding("ok", "option", f"{key} = {shown} ({origin})")
    settings, options = server_settings(context.params), options_of_server(context.params)
    checks: dict[str, Callable[[], str]] = {
        "access": lambda: _access(options),
        "keys": lambda: _keys(options),
        "address": lambda: _address(options),
        "TLS": lambda: _tls(options),
        "cluster": lambda: _cluster(context.params["cluster"]),
        "model": lambda: _model(settings),
        "device": lambda: _device(settings),
    }
    for about, check in checks.items():
        try:
            if text := check():
                yield Finding("ok", about, text)
        except SdtuiError as error:
            yield Finding("problem", about, str(error))
    yield from (Finding("warning", "access", text) for text in options.warnings)
    yield from (Finding("warning", "keys", text) for text in _unknown_models(settings, options))
    folders = {"pictures": settings.pictures, "state": paths.server_folder()}
    for name, folder in folders.items():
        problem = folder_problem(folder)
        yield Finding("problem" if problem else "ok", name, problem or str(folder))


def _access(options: ServerOptions) -> str:
    options.check()
    return access(options)


def _keys(options: ServerOptions) -> str:
    if options.keys_file is None:
        return ""
    keys = KeyRing(options.api_key, options.keys_file)
    return f"{len(keys.named)} named keys in {options.keys_file}"


def _unknown_models(settings: Settings, options: ServerOptions) -> Iterator[str]:
    """Yield a sentence for each model that a key names, and that isn't here."""
    try:
        callers = KeyRing(options.api_key, options.keys_file).named
        here = {settings.model, *(each.name for each in open_models(settings).installed())}
    except SdtuiError:  # a problem of its own
        return
    for caller in callers:
        for name in caller.limits.models or ():
            if name not in here:
                yield f"there is no model {name}, which [{caller.name}] may use"


def _address(options: ServerOptions) -> str:
    """Listen, and stop at once."""
    path = options.unix_socket
    held = None if path is None else hold_socket(path)
    if path is not None and held is None:
        raise SettingsError(f"another sdtui listens at {path}", "Give another path")
    listener = listen(options)
    listener.close()
    if held is not None:
        os.close(held)
    port = options.port or "any port"
    return f"{path or f'{options.host}, {port}'} is free"


def _tls(options: ServerOptions) -> str:
    if options.tls_cert is None or options.tls_key is None:
        return ""
    if problem := validity_problem(options.tls_cert, options.tls_key):
        raise SettingsError(problem, "Renew it")
    return f"{options.tls_cert} and its key"


def _cluster(address: str | None) -> str:
    if address is None:
        return ""
    from sdtui.cluster import ray_node

    ray_node.check_installed()
    ray_node.resolved(ray_node.parse_address(address)[0])
    return address


def _model(settings: Settings) -> str:
    models = open_models(settings)
    source = models.find(settings.model)
    described = models.describe(source)
    if described is None:
        return f"{settings.model} will be downloaded"
    return f"{settings.model}, {source.path}"


def _device(settings: Settings) -> str:
    """Ask torch, whose import takes seconds."""
    from sdtui.engine.device import choose_device, choose_dtype

    names = [name for name in settings.gpus if name != ALL_GPUS] or [settings.device]
    devices = [choose_device(name) for name in names]
    found = ", ".join(f"{each.torch} in {choose_dtype(each, settings.dtype)}" for each in devices)
    return f"all GPUs, at least {found}" if ALL_GPUS in settings.gpus else found
