"""`--connect`: where the backend of the app and of commands is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sdtui.core.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])
_META = "sdtui.connect"


def _remember(context: click.Context, param: click.Parameter, value: str | None) -> None:
    del param
    if value is not None:
        context.meta[_META] = value


def connect_option(command: _Command) -> _Command:
    """Add `--connect`. Contexts share it with those of their subcommands."""
    return click.option(
        "--connect",
        metavar="WHERE",
        expose_value=False,
        is_eager=True,
        callback=_remember,
        help="Where the backend is: here, daemon, ssh://HOST, http://HOST:PORT or unix:PATH."
        " [as configured]",
    )(command)


class ConnectedGroup(click.Group):
    """A group of commands that each take `--connect`."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command."""
        super().add_command(connect_option(cmd), name)


def connected_settings() -> Settings:
    """Return the settings, with the place of `--connect` if it was given. Raises SettingsError."""
    from sdtui.core.settings import load_settings

    settings = load_settings()
    where = click.get_current_context().meta.get(_META)
    return settings if where is None else replace(settings, connect=where)
