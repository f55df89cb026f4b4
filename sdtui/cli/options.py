"""Command-line flags for the fields of a request."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from sdtui.core.errors import InvalidRequestError, Problem, SdtuiError
from sdtui.core.fields import Field
from sdtui.core.typed_paths import PathTextError, parse_plain_path
from sdtui.requests.field_table import FieldTable
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.sizes import parse_size

_OPEN: Any = object()
"""The value of a flag whose field is left open."""
_Command = TypeVar("_Command", bound=Callable[..., Any])


def request_options(command: _Command) -> _Command:
    """Add a flag to a command for every field of a request but the prompt, and `--size`."""
    size = click.option("--size", metavar="WxH", help="Width and height in one, e.g. 512x768.")
    return options_for(*(name for name in REQUEST_FIELDS if name != "prompt"))(size(command))


def options_for(*names: str, fields: FieldTable = REQUEST_FIELDS) -> Callable[[_Command], _Command]:
    """Add a flag to a command for each of these fields."""

    def decorate(command: _Command) -> _Command:
        for name in reversed(names):
            command = _option(fields[name])(command)
        return command

    return decorate


def field_option(name: str, *flags: str, more: str = "") -> Callable[[_Command], _Command]:
    """Add a flag to a command for a field of a request, by other names than the usual ones if
    `flags` are given, and with more help."""
    return _option(REQUEST_FIELDS[name], flags, more)


def request_values(flags: dict[str, Any], fields: FieldTable = REQUEST_FIELDS) -> dict[str, Any]:
    """Return the request's fields from the flags that were given, None for those that are left
    open; `--size` becomes width and height.

    Raises InvalidRequestError if the size is invalid.
    """
    given = {name: value for name, value in flags.items() if value not in (None, (), _OPEN)}
    values = fields.map_files(given, _plain_path)
    size = values.pop("size", None)
    if size is not None:
        values["width"], values["height"] = parse_size(size)
    return {**values, **{name: None for name, value in flags.items() if value is _OPEN}}


def _plain_path(field: str, value: Any) -> Path:
    """Return the path of a picture inside an entry. Raises InvalidRequestError."""
    if isinstance(value, Path):
        return value
    try:
        return parse_plain_path(os.fspath(value))
    except PathTextError as error:
        raise InvalidRequestError([Problem(field, str(value), f"{value} {error}")]) from error


def _option(
    field: Field, flags: tuple[str, ...] = (), more: str = ""
) -> Callable[[_Command], _Command]:
    spec = field.spec
    choices = [str(each) for each in field.type] if issubclass(field.type, StrEnum) else None
    if field.type is bool:
        name = field.name.replace("_", "-")
        flags = flags or spec.flags or (f"--{name}/--no-{name}",)
        return click.option(*flags, field.name, default=None, help=spec.help)
    kind = _CLICK_TYPES.get(field.type, str)
    if field.default is None and (spec.native or field.name == "seed"):
        kind = _OrOpen(kind)
    limits = "" if spec.ge is None or spec.le is None else f"[{spec.ge}..{spec.le}]"
    return click.option(
        *(flags or spec.flags or (f"--{field.name.replace('_', '-')}",)),
        field.name,
        type=click.Choice(choices) if choices else kind,
        metavar=spec.metavar or (None if choices else _METAVARS.get(field.type, "TEXT")),
        help=" ".join(filter(None, (spec.help, spec.flag_help, limits, more))),
        multiple=field.is_list,
        shell_complete=complete_styles if field.name == "styles" else None,
    )


def complete_styles(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of styles that begin so, for a shell."""
    from sdtui.cli.backend import open_prompts
    from sdtui.core.settings import load_settings

    with suppress(SdtuiError):
        styles = open_prompts(load_settings()).styles()
        return [style.name for style in styles if style.name.startswith(incomplete)]
    return []


def complete_presets(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of presets that begin so, for a shell."""
    from sdtui.requests.presets import preset_names

    with suppress(SdtuiError):
        return [name for name in preset_names() if name.startswith(incomplete)]
    return []


class _OrOpen(click.ParamType[Any]):
    """A value, or "none" for a field that is left open although a picture, a preset or the settings
    have a value for it."""

    def __init__(self, kind: type) -> None:
        self._kind = click.types.convert_type(kind)
        self.name = self._kind.name

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        is_open = value is _OPEN or str(value).lower() == "none"
        return _OPEN if is_open else self._kind.convert(value, param, context)


class FilePath(click.ParamType[Path]):
    """A path, which a shell has unquoted, or a `file:` URL."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Path:
        if not os.fspath(value):
            self.fail("a path must not be empty", param, context)
        try:
            return parse_plain_path(os.fspath(value))
        except PathTextError as error:
            self.fail(f"{value} {error}", param, context)

    def shell_complete(
        self, context: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


_CLICK_TYPES: dict[type, Any] = {int: int, float: float, Path: FilePath()}
_METAVARS = {int: "N", float: "X", Path: "PATH"}
