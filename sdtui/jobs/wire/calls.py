"""The calls of a backend, derived from its protocols.

A method of a protocol becomes a call by itself: its arguments and its result are written as its
annotations say. Arguments that are functions don't cross the connection. Properties are no calls:
they are part of the state that a server streams.
"""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model

from sdtui.jobs.api import Backend, Hardware, Jobs, Prompts
from sdtui.jobs.model_api import Models
from sdtui.jobs.picture_api import Pictures
from sdtui.jobs.training_api import Trainings

PARTS: Mapping[str, type] = {
    "jobs": Jobs,
    "models": Models,
    "prompts": Prompts,
    "pictures": Pictures,
    "trainings": Trainings,
    "hardware": Hardware,
    "backend": Backend,
}
"""The protocols by the attribute of a backend."""

AT_THE_CLIENT: Mapping[str, frozenset[str]] = {
    "jobs": frozenset({"jobs", "running", "subscribe", "wait", "finish", "close"}),
    "pictures": frozenset({"read", "local_file", "ids", "changes_by_others", "export", "import_"}),
    "trainings": frozenset({"continue_interrupted"}),
    "hardware": frozenset({"start", "stop", "wait_for_sample"}),
    "backend": frozenset(
        {
            *("save_jobs", "orphaned_jobs", "adopt_orphaned_jobs", "forget_orphaned_jobs"),
            "close",
        }
    ),
}
"""Methods that never cross the connection: the client answers them by what was streamed or by other
routes, or they concern the backend's process."""

_CONFIG = ConfigDict(
    extra="forbid", protected_namespaces=(), ser_json_bytes="base64", val_json_bytes="base64"
)


def members(part: str) -> Iterator[str]:
    """Yield the names of a part's methods and properties."""
    yield from (name for name in vars(PARTS[part]) if name[:1] != "_")


def is_property(part: str, name: str) -> bool:
    """True for a property of a part."""
    return isinstance(vars(PARTS[part])[name], property)


@dataclass(frozen=True)
class Call:
    """A method of a protocol."""

    part: str
    name: str

    @property
    def method(self) -> Callable[..., Any]:
        """The protocol's own function."""
        method: Callable[..., Any] = vars(PARTS[self.part])[self.name]
        return method

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.method)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The types of the arguments and of what is returned, as they are written."""
        from sdtui.jobs.wire.types import NAMES

        return get_type_hints(self.method, localns=NAMES, include_extras=True)

    @cached_property
    def _arguments(self) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for parameter in list(self._signature.parameters.values())[1:]:
            hint = self.hints[parameter.name]
            if _is_function(hint):
                continue
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                fields[parameter.name] = (tuple.__class_getitem__((hint, ...)), ())
            else:
                is_required = parameter.default is inspect.Parameter.empty
                fields[parameter.name] = (hint, ... if is_required else parameter.default)
        return create_model(f"{self.part}.{self.name}", __config__=_CONFIG, **fields)

    @cached_property
    def _result(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.hints["return"])

    def check(self) -> None:
        """Raise NameError, or pydantic's error, if a type of the method can't be written."""
        assert self._arguments.model_fields is not None
        assert self._result is not None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments."""
        return tuple(self._arguments.model_fields)

    def bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return arguments by name, without functions. Raises TypeError."""
        bound = self._signature.bind(None, *args, **kwargs).arguments
        return {
            name: value for name, value in bound.items() if name in self._arguments.model_fields
        }

    def write_arguments(self, arguments: Mapping[str, Any]) -> bytes:
        """Return the JSON of arguments by name."""
        given = self._arguments.model_construct(**arguments)
        return given.__pydantic_serializer__.to_json(given, include=set(arguments), warnings="none")

    def read_arguments(self, data: bytes) -> dict[str, Any]:
        """Return the arguments in JSON by name. Raises pydantic's ValidationError."""
        given = self._arguments.model_validate_json(data or b"{}")
        values = {name: getattr(given, name) for name in given.model_fields_set}
        # Pydantic checks the items of an iterable when it is read.
        return {
            name: tuple(value) if isinstance(value, collections.abc.Iterator) else value
            for name, value in values.items()
        }

    def apply(self, target: Any, arguments: Mapping[str, Any]) -> Any:
        """Call the method of `target` with arguments by name."""
        given = dict(arguments)
        positional: list[Any] = []
        if any(each.kind is each.VAR_POSITIONAL for each in self._signature.parameters.values()):
            for name, parameter in list(self._signature.parameters.items())[1:]:
                is_rest = parameter.kind is parameter.VAR_POSITIONAL
                positional += given.pop(name, ()) if is_rest else [given.pop(name)]
        return getattr(target, self.name)(*positional, **given)

    def write_result(self, result: Any) -> bytes:
        """Return the JSON of what the method returned."""
        return self._result.dump_json(result, warnings="none")

    def read_result(self, data: bytes) -> Any:
        """Return the result in JSON. Raises pydantic's ValidationError."""
        return self._result.validate_json(data)


def _is_function(hint: object) -> bool:
    """True for a type of functions, or such a type or None."""
    return get_origin(hint) is collections.abc.Callable or any(map(_is_function, get_args(hint)))


def read_property(part: str, name: str, value: Any) -> Any:
    """Return the value of a property as the protocol's annotation has it."""
    from sdtui.jobs.wire.types import NAMES

    getter = vars(PARTS[part])[name].fget
    return TypeAdapter(get_type_hints(getter, localns=NAMES)["return"]).validate_python(value)


CALLS: Mapping[tuple[str, str], Call] = {
    (part, name): Call(part, name)
    for part in PARTS
    for name in members(part)
    if not is_property(part, name) and name not in AT_THE_CLIENT.get(part, ())
}
"""All calls, by part and name."""
