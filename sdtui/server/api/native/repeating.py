"""The request that makes a picture of the history again."""

from __future__ import annotations

from typing import Any

from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS

_OF_THE_MACHINE = "execution"
"""The section of memory and speed, which the server's settings decide."""
_ALWAYS_SAID = frozenset(("model", "prompt_syntax", "dynamic_prompts"))
"""Fields that the server's settings fill where a request leaves them open."""


def repeating_values(record: GenerationRecord) -> tuple[dict[str, Any], list[str]]:
    """Return the flat values of a request that makes a picture again, without those that are open
    or defaults, and the names of the fields with pictures, which are left out."""
    values = {
        name: value
        for name, value in record.values().items()
        if REQUEST_FIELDS[name].section != _OF_THE_MACHINE
        and (name in _ALWAYS_SAID or value not in (None, REQUEST_FIELDS[name].default))
    }
    files = dict.fromkeys(name.partition(".")[0] for name in record.request.input_images())
    left_out = [name for name in files if values.pop(name, None) is not None]
    for name in REQUEST_FIELDS.orphans(values):
        del values[name]
    return values, left_out
