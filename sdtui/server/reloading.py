"""What of the options a running server can read again."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial

from sdtui.server.dependencies import ServerServices
from sdtui.server.listeners import Listener, options_of
from sdtui.server.option_specs import option_specs
from sdtui.server.options import ServerOptions
from sdtui.server.tls import load_files

_log = logging.getLogger(__name__)


def add_reloads(
    services: ServerServices,
    read_options: Callable[[], ServerOptions] | None,
    passed: Listener | None,
    tls: ssl.SSLContext | None,
) -> None:
    """Read the options and the files of TLS again on SIGHUP. `passed` is the socket of systemd, if
    it is served."""

    def read() -> None:
        assert read_options is not None
        options = read_options()
        options.check()
        options = options if passed is None else options_of(passed, options)
        if options.api_key is not None:
            services.keys.replace_single(options.api_key)
        services.options = changed_options(services.options, options)

    options = services.options
    if read_options is not None:
        services.reload.add("options", read)
    services.reload.add("keys", services.keys.reload)
    if tls is not None and options.tls_cert is not None and options.tls_key is not None:
        files = partial(load_files, tls, options.tls_cert, options.tls_key)
        services.reload.add("certificate and key", files)


def changed_options(now: ServerOptions, read: ServerOptions) -> ServerOptions:
    """Return the options of a running server after they were read again, and log what differs."""
    specs = option_specs(ServerOptions)
    different = [
        each.name for each in fields(read) if getattr(now, each.name) != getattr(read, each.name)
    ]
    new = {
        name: getattr(read, name) for name in different if name in specs and specs[name][1].reloads
    }
    for name, value in new.items():
        _log.info("%s is %s now, was %s", name, value, getattr(now, name))
    if others := [name for name in different if name in specs and name not in new]:
        _log.warning("these options count from the next start: %s", ", ".join(others))
    return replace(now, **new) if new else now
