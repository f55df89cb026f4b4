"""How the options of a server are set: what flags, config file and environment are derived from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from sdtui.core.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class OptionSpec:
    """How a field of the options is set: its flag, its key in the config file and its
    environment variable are derived from it."""

    help: str
    """A sentence for `--help`."""
    flag: str = ""
    """By default the name of the field with dashes."""
    metavar: str = ""
    ge: int | None = None
    le: int | None = None
    default: str = ""
    """The default as it is given, where the field's own is of another kind."""
    is_list: bool = False
    """True if it may be given several times."""
    reloads: bool = False
    """True if a running server takes a new value on SIGHUP."""
    parse: Callable[[Any], Any] | None = None
    """Returns the field's value for the one that was given. Raises SettingsError."""


class OptionError(SettingsError):
    """A wrong value of the option with a certain flag."""

    def __init__(self, flag: str, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.flag = flag


def option_specs(options: type) -> dict[str, tuple[Any, OptionSpec]]:
    """Return the type and the `OptionSpec` of each field that has one."""
    hints = get_type_hints(options, include_extras=True).items()
    annotated = {name: get_args(hint) for name, hint in hints if get_origin(hint) is Annotated}
    return {name: (plain, spec) for name, (plain, spec) in annotated.items()}
