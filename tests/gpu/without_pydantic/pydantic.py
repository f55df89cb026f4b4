"""Stands in for pydantic, which has a compiled part, on a machine that lacks it: its classes store
their values and check none. The checks make their values in code, and read only files that they
wrote themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from inspect import get_annotations
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from sdtui.core.fields import without_none

AwareDatetime = datetime
NonNegativeInt = int
ConfigDict = dict

_REQUIRED: Any = object()


class ValidationError(ValueError):
    """Never raised here."""


@dataclass(frozen=True)
class _Default:
    """The default of a field: a value, or a function that makes it."""

    value: Any = _REQUIRED
    make: Callable[[], Any] | None = None

    def get(self) -> Any:
        """Return the default; _REQUIRED if there is none."""
        return self.make() if self.make else self.value


def Field(  # noqa: N802  # pydantic's name
    default: Any = _REQUIRED, *, default_factory: Callable[[], Any] | None = None, **_: Any
) -> Any:
    """Return a field's default; limits and descriptions are dropped."""
    return _Default(default, default_factory)


def model_validator(**_: Any) -> Callable[[Any], Any]:
    """Return a decorator that leaves a validator as it is; nothing calls it."""
    return lambda function: function


class BaseModel:
    """A class with fields and a constructor that takes them by name."""

    model_config: ClassVar[Any] = {}
    model_fields: ClassVar[dict[str, _Default]] = {}

    def __init_subclass__(cls) -> None:
        own = {}
        for name in get_annotations(cls):
            default = vars(cls).get(name, _REQUIRED)
            own[name] = default if isinstance(default, _Default) else _Default(default)
        cls.model_fields = {**cls.model_fields, **own}

    def __init__(self, **values: Any) -> None:
        """Raises TypeError if a value is missing."""
        for name, field in self.model_fields.items():
            value = values[name] if name in values else field.get()
            if value is _REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {name}")
            setattr(self, name, value)
        if self.model_config.get("extra") == "allow":
            for name in values.keys() - self.model_fields.keys():
                setattr(self, name, values[name])

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(vars(self).items())

    @classmethod
    def model_validate(cls, values: Mapping[str, Any]) -> Self:
        """Return an object with these values."""
        return cls(**values)

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """Return a copy with some values changed."""
        return type(self)(**{**vars(self), **update})


class TypeAdapter:
    """Makes objects of a type."""

    def __init__(self, kind: Any, config: Any = None) -> None:
        self._kind = kind

    def validate_python(self, value: Any) -> Any:
        """Return a value with its mappings as objects of the classes that the type names."""
        return _built(self._kind, value)

    def validate_json(self, text: bytes) -> Any:
        """Return the value of a JSON text."""
        return self.validate_python(json.loads(text))


def _built(kind: Any, value: Any) -> Any:
    kind = without_none(kind)
    if get_origin(kind) is dict:
        return {name: _built(get_args(kind)[1], each) for name, each in value.items()}
    if get_origin(kind) is tuple:
        return tuple(value)
    has_fields = is_dataclass(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel))
    if has_fields and isinstance(value, Mapping):
        hints = get_type_hints(kind)
        return kind(**{name: _built(hints[name], each) for name, each in value.items()})
    return value
