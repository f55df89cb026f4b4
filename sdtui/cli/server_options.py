"""The options of `sdtui serve`: flags, then environment variables, then `[server]` of the config
file, then defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field, fields
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

import click
from click.core import ParameterSource

from sdtui.core.errors import SettingsError
from sdtui.core.settings import load_settings, settings_origin
from sdtui.core.text import nearest, shortened
from sdtui.server.option_specs import OptionError, OptionSpec, option_specs
from sdtui.server.options import ServerOptions

TABLE = "server"
"""The table of the config file."""
VARIABLE_PREFIX = "SDTUI_SERVER_"
_ARGUMENTS = "sdtui.arguments"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class ServerOption(click.Option):
    """An option that the config file and the environment can set too, by the name of its flag.

    A wrong value there is an error that names the line or the variable.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.envvar = VARIABLE_PREFIX + self.key.upper()

    @property
    def key(self) -> str:
        """The name in the config file."""
        return _key(self.opts[0])

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value in its type."""
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            origin = option_origin(ctx, self)
            if origin is None:
                raise
            raise SettingsError(f"{origin}: {self.key}: {error.message}") from error

    def from_toml(self, value: object) -> str | list[str]:
        """Return a value of the config file as it would be typed. Raises SettingsError."""
        if self.multiple:
            return [
                _typed(self.key, each) for each in (value if isinstance(value, list) else [value])
            ]
        return _typed(self.key, value)


class ServeCommand(click.Command):
    """A command whose `ServerOption`s take values from the config file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line. Raises SettingsError for wrong and unknown keys elsewhere."""
        ctx.meta[_ARGUMENTS] = list(args)
        if not ctx.resilient_parsing and not {*args} & {*ctx.help_option_names}:
            ctx.default_map = self._configured()
            self._warn_of_unknown_variables()
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. An error of an option names where its value came from."""
        try:
            return super().invoke(ctx)
        except OptionError as error:
            option = self.server_options.get(_key(error.flag))
            origin = option and option_origin(ctx, option)
            if origin is None:
                raise
            raise SettingsError(f"{origin}: {error.what}", error.hint) from error

    @property
    def server_options(self) -> Mapping[str, ServerOption]:
        """The options by their keys."""
        return {each.key: each for each in self.params if isinstance(each, ServerOption)}

    def _configured(self) -> dict[str, str | list[str]]:
        """Return the values of the config file by the names of parameters."""
        options, values = self.server_options, {}
        for key, value in load_settings().server.items():
            if key not in options:
                near = nearest(key, options)
                hint = f'Did you mean "{near}"?' if near else '"sdtui docs server" lists them'
                origin = settings_origin(TABLE, key)
                raise SettingsError(f'{origin}: the server has no option "{key}"', hint)
            values[str(options[key].name)] = options[key].from_toml(value)
        return values

    def _warn_of_unknown_variables(self) -> None:
        """Name variables that set no option. No error: environments are inherited, and Kubernetes
        adds some for services."""
        known = {option.envvar for option in self.server_options.values()}
        for name in sorted(os.environ):
            if name.startswith(VARIABLE_PREFIX) and name not in known:
                click.echo(f"the variable {name} sets no option of the server", err=True)


def parse_again(ctx: click.Context) -> dict[str, Any]:
    """Return the values of the options with what the config file says now. Raises SettingsError."""
    arguments = ctx.meta[_ARGUMENTS]
    return ctx.command.make_context(ctx.info_name, list(arguments), parent=ctx.parent).params


def option_origin(ctx: click.Context, option: ServerOption) -> str | None:
    """The variable, or the config file and line, that sets an option; None if neither does."""
    source = ctx.get_parameter_source(str(option.name))
    if source == ParameterSource.ENVIRONMENT:
        return f"the environment variable {option.envvar}"
    if source == ParameterSource.DEFAULT_MAP:
        return settings_origin(TABLE, option.key)
    return None


server_option = partial(click.option, cls=ServerOption)
"""Add an option that the config file and the environment can set too."""


def server_options(command: _Command) -> _Command:
    """Add the option of each field of `ServerOptions` that has one."""
    specs = option_specs(ServerOptions)
    for each in reversed(fields(ServerOptions)):
        if each.name in specs:
            command = _option(each, *specs[each.name])(command)
    return command


def options_from(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `ServerOptions` for the values of options, of which others are left out.
    Raises OptionError."""
    found = {}
    for name, (_, spec) in option_specs(ServerOptions).items():
        if (value := values[name]) is not None:
            with naming_option(_flag(name, spec)):
                found[name] = spec.parse(value) if spec.parse else value
    return found


@contextmanager
def naming_option(flag: str) -> Iterator[None]:
    """Turn SettingsErrors into OptionErrors of a flag."""
    try:
        yield
    except SettingsError as error:
        raise OptionError(flag, error.what, error.hint) from error


def _option(field: Field[Any], plain: Any, spec: OptionSpec) -> Callable[[_Command], _Command]:
    is_list = spec.is_list or plain == tuple[str, ...]
    (kind,) = (each for each in get_args(plain) or (plain,) if each not in (NoneType, ...))
    default = spec.default or (None if is_list else field.default or None)
    return server_option(
        _flag(field.name, spec),
        field.name,
        type=str if is_list else _click_type(kind, spec),
        is_flag=kind is bool,
        multiple=is_list,
        default=default,
        show_default=kind is not bool,
        metavar=spec.metavar or None,
        help=spec.help,
    )


def _flag(name: str, spec: OptionSpec) -> str:
    return spec.flag or f"--{name.replace('_', '-')}"


def _click_type(kind: type, spec: OptionSpec) -> Any:
    if kind is int:
        return click.IntRange(spec.ge, spec.le)
    if kind is float:
        return click.FloatRange(spec.ge, spec.le)
    return click.Path(path_type=Path) if kind is Path else kind


def _key(flag: str) -> str:
    """The name in the config file of the option with a flag."""
    return flag.removeprefix("--").replace("-", "_")


def _typed(key: str, value: object) -> str:
    if isinstance(value, list | dict):
        raise SettingsError(
            f"{settings_origin(TABLE, key)}: {key}: should be one value,"
            f" not {shortened(repr(value))}"
        )
    return str(value).lower() if isinstance(value, bool) else str(value)
