"""The files that requests name, on their way to a backend that can't see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.requests.grids import Grid
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest

_UPLOADED = re.compile(r"upload:([0-9a-f]{64})")

ChangePath = Callable[[Path], Path]


def uploaded_path(sha256: str) -> Path:
    """Return what stands in a request for a picture that was sent."""
    return Path(f"upload:{sha256}")


def uploaded_hash(path: Path) -> str | None:
    """Return the hash of a picture that was sent, by its `uploaded_path`; None for a real path."""
    found = _UPLOADED.fullmatch(str(path))
    return found[1] if found else None


def map_files(arguments: Mapping[str, Any], change: ChangePath) -> dict[str, Any]:
    """Return arguments of a call with `change` applied to every file that their requests name."""
    return {name: _mapped(value, change) for name, value in arguments.items()}


def _mapped(value: Any, change: ChangePath) -> Any:
    match value:
        case GenerationRequest():
            return map_request(value, change)
        case ResolvedPrompts():
            return replace(value, request=map_request(value.request, change))
        case Grid():
            cells = [(map_request(each.request, change), each.place) for each in value.cells]
            return Grid.restored(map_request(value.request, change), value.record, cells)
        case list() | tuple():
            return type(value)(_mapped(each, change) for each in value)
        case _:
            return value


def map_request(request: GenerationRequest, change: ChangePath) -> GenerationRequest:
    """Return a request with `change` applied to the path of every picture that it names."""
    if not request.input_images():
        return request
    values = REQUEST_FIELDS.map_files(request.values(), lambda _, path: change(Path(path)))
    return GenerationRequest.parse(values, prompt_needed=False)
