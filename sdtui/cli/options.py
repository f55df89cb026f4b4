"""Command-line flags made from the fields of a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.requests.fields import REQUEST_FIELDS

_FLAGS = {
    "negative_prompt": ("--negative", "-n"),
    "model": ("--model", "-m"),
    "num_inference_steps": ("--steps",),
    "guidance_scale": ("--cfg",),
    "num_images_per_prompt": ("--count",),
    "memory_mode": ("--memory",),
    "init_image_fit": ("--fit",),
}
"""Where the flag isn't just the field's name."""

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SIZE = re.compile(r"(\d{1,5})\s*[xX×*]\s*(\d{1,5})")


def request_options(command: _Command) -> _Command:
    """Give a command one flag for every field of a request but the prompt, and `--size`."""
    size = click.option("--size", metavar="WxH", help="Width and height in one, e.g. 512x768.")
    names = [name for name in REQUEST_FIELDS if name not in ("prompt", "sampler")]
    return options_for(*names, "sampler")(size(command))


def options_for(*names: str) -> Callable[[_Command], _Command]:
    """Give a command a flag for each of these fields of a request."""

    def decorate(command: _Command) -> _Command:
        for name in reversed(names):
            option = _sampler_option() if name == "sampler" else _option(name)
            command = option(command)
        return command

    return decorate


def request_values(flags: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request from the flags that were given; `--size` becomes width and height.

    Raises InvalidRequestError if the size is no size.
    """
    values = {name: value for name, value in flags.items() if value is not None}
    size = values.pop("size", None)
    if size is not None:
        values["width"], values["height"] = parse_size(size)
    return values


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from e.g. "512x768". Raises InvalidRequestError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InvalidRequestError(
            [Problem("size", text, f'is width and height such as 512x768, not "{text}"')]
        )
    return int(found[1]), int(found[2])


def _option(name: str) -> Callable[[_Command], _Command]:
    field = REQUEST_FIELDS[name]
    flags = _FLAGS.get(name, (f"--{name.replace('_', '-')}",))
    choices = [str(each) for each in field.type] if issubclass(field.type, StrEnum) else None
    return click.option(
        *flags,
        name,
        type=click.Choice(choices) if choices else _CLICK_TYPES.get(field.type, str),
        metavar=None if choices else _METAVARS.get(field.type, "TEXT"),
        help=field.help + _limits(field.limits),
    )


def _sampler_option() -> Callable[[_Command], _Command]:
    told = f'{REQUEST_FIELDS["sampler"].help} "sdtui samplers" lists them.'
    return click.option("--sampler", "-s", metavar="NAME", help=told)


_CLICK_TYPES: dict[type, Any] = {int: int, float: float, Path: click.Path(path_type=Path)}
_METAVARS = {int: "N", float: "X", Path: "PATH"}


def _limits(limits: Mapping[str, Any]) -> str:
    return f" [{limits['ge']}..{limits['le']}]" if "ge" in limits else ""
