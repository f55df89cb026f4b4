"""Command-line flags made from the fields of GenerationRequest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from annotated_types import Ge, Le

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.request import GenerationRequest

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
    names = [name for name in GenerationRequest.model_fields if name not in ("prompt", "sampler")]
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
    field = GenerationRequest.model_fields[name]
    flags = _FLAGS.get(name, (f"--{name.replace('_', '-')}",))
    kind = _plain_type(field.annotation)
    choices = [member.value for member in kind] if issubclass(kind, StrEnum) else None
    return click.option(
        *flags,
        name,
        type=click.Choice(choices) if choices else _CLICK_TYPES.get(kind, str),
        metavar=None if choices else _METAVARS.get(kind, "TEXT"),
        help=" ".join((field.description or "").split()) + _limits(field.metadata),
    )


def _sampler_option() -> Callable[[_Command], _Command]:
    description = GenerationRequest.model_fields["sampler"].description or ""
    return click.option(
        "--sampler", "-s", metavar="NAME", help=f'{description} "sdtui samplers" lists them.'
    )


_CLICK_TYPES: dict[type, Any] = {int: int, float: float, Path: click.Path(path_type=Path)}
_METAVARS = {int: "N", float: "X", Path: "PATH"}


def _plain_type(annotation: Any) -> type:
    """The type of a field behind `| None`."""
    choices = [part for part in get_args(annotation) if part is not type(None)]
    plain = choices[0] if choices else annotation
    assert isinstance(plain, type)
    return plain


def _limits(metadata: Iterable[Any]) -> str:
    lowest = next((limit.ge for limit in metadata if isinstance(limit, Ge)), None)
    highest = next((limit.le for limit in metadata if isinstance(limit, Le)), None)
    return "" if lowest is None or highest is None else f" [{lowest}..{highest}]"
