"""What calls of attached clients may do, and what others are told of them.

A client over the network may name models, never files of this machine but the pictures of the
history and those that it sent. Over a private socket, it is the user, and may all that the command
line may.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdtui.core.errors import (
    HistoryError,
    ImageError,
    InvalidRequestError,
    ModelNotFoundError,
    Problem,
    SettingsError,
)
from sdtui.jobs import Job, Output
from sdtui.jobs.wire import Call
from sdtui.jobs.wire.files import map_files, uploaded_hash
from sdtui.models import ModelSource
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.generation import check_limits, with_served_models

_CHANGING_PICTURES = {
    *("star", "unstar", "tag", "untag", "trash", "delete_unless_starred", "restore"),
    *("delete_trashed", "empty_trash", "save_sheets", "reindex"),
}
_CHANGING_JOBS = {"cancel", "move", "pause", "resume", "save_again", "cancel_grid"}
_OPENING_FILES = {"submit", "submit_grid", "check_files"}
"""Calls whose requests' files are opened."""

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """Who calls."""

    id: str
    """The client's own; may be empty."""
    address: str
    is_private: bool
    """True if it is this server's user, over a socket that no other user reaches."""


def carry_out(
    services: ServerServices, caller: Caller, call: Call, arguments: Mapping[str, Any]
) -> Any:
    """Return what a call returns, if it is allowed. Raises what it raises."""
    given = dict(arguments)
    if call.name in _OPENING_FILES:
        given = map_files(given, lambda path: _file(services, path, caller))
    if not caller.is_private:
        given = _restricted(services, call, given)
    if call.part == "jobs" and call.name.startswith("submit"):
        given["output"] = services.retention.output(given.get("output"), is_kept=True)
    if (call.part, call.name) == ("models", "download"):
        given["subscriber"] = services.attach_hub.put_download
    result = call.apply(getattr(services.backend, call.part), given)
    _announce(services, call, given, result, caller)
    return result


def _announce(
    services: ServerServices, call: Call, given: Arguments, result: Any, caller: Caller
) -> None:
    """Tell other clients what has no event."""
    hub = services.attach_hub
    if call.part == "pictures":
        if call.name in _CHANGING_PICTURES or (call.name == "refresh" and result):
            hub.note_history(caller.id)
    elif call.part == "jobs" and call.name in _CHANGING_JOBS:
        ids = [given["job_id"]] if "job_id" in given else []
        if call.name == "cancel_grid":
            ids = [job.id for job in services.backend.jobs.jobs() if _is_of(job, given["grid_id"])]
        hub.note_jobs(*ids, is_reordered=call.name == "move")


def _is_of(job: Job, grid_id: str) -> bool:
    return job.grid is not None and job.grid.grid.id == grid_id


def _file(services: ServerServices, path: Path, caller: Caller) -> Path:
    """Return the file that a path in a request stands for. Raises ImageError."""
    if sha256 := uploaded_hash(path):
        found = services.attach_uploads.find(sha256)
        if found is None:
            raise ImageError("a picture of the request isn't here", "Send it again")
        return found
    if caller.is_private or services.attach_uploads.contains(path):
        return path
    folder = services.backend.pictures.folder.resolve()
    if path.is_absolute() and path.resolve().is_relative_to(folder):
        return path
    raise ImageError(f"{path} isn't there", "Check the path")


def _restricted(services: ServerServices, call: Call, given: Arguments) -> Arguments:
    """Return the arguments of a call over the network. Raises SdtuiError if it isn't allowed."""
    if "allow_files" in given:
        given["allow_files"] = False
    restrict = _RESTRICTED.get(call.name)
    return given if restrict is None else restrict(services, given)


def _submitting(services: ServerServices, given: Arguments) -> Arguments:
    _check_output(given)
    served = with_served_models(services, given["request"])
    check_limits(services, served)
    prompts = given.get("prompts")
    if prompts is not None:
        prompts = replace(prompts, request=with_served_models(services, prompts.request))
        check_limits(services, prompts.request)
    return {**given, "request": served, "prompts": prompts}


def _submitting_grid(services: ServerServices, given: Arguments) -> Arguments:
    _check_output(given)
    requests = [cell.request for cell in given["grid"].cells]
    if len(requests) > services.options.max_grid:
        most = services.options.max_grid
        message = f"{len(requests):,} pictures; this server makes {most:,} of a grid"
        raise InvalidRequestError([Problem("grid", None, message)])
    different = {
        (each.model, each.width, each.height, each.hires, each.refiner): each for each in requests
    }
    for request in different.values():
        with_served_models(services, request)
        check_limits(services, request)
    return given


def _check_output(given: Arguments) -> None:
    output: Output | None = given.get("output")
    if output is not None and (output.folder or output.file):
        raise SettingsError("pictures can't be saved anywhere on the server", "Fetch them instead")


def _named(services: ServerServices, given: Arguments) -> Arguments:
    for key in ("name", "model"):
        if key in given:
            _check_name(services, given[key])
    return given


def _of_source(services: ServerServices, given: Arguments) -> Arguments:
    source: ModelSource = given["source"]
    _check_name(services, source.name)
    return {**given, "source": services.backend.models.find(source.name)}


def _check_name(services: ServerServices, name: str) -> None:
    """Raise ModelNotFoundError for the path of a model."""
    is_path = name.startswith((".", "~")) or Path(name).is_absolute() or name.count(os.sep) > 1
    if is_path and name not in {each.name for each in services.models.sources()}:
        raise ModelNotFoundError(f'there is no model "{name[:200]}" on the server', "Name another")


def _of_picture(services: ServerServices, given: Arguments) -> Arguments:
    which = given["which"]
    if isinstance(which, int):
        return given
    folders = (services.backend.pictures.folder, services.backend.pictures.trash_folder)
    path = Path(which)
    if path.is_absolute() and not any(map(path.resolve().is_relative_to, folders)):
        raise HistoryError(f'the history has no picture "{path}"')
    return given


def _downloading(services: ServerServices, given: Arguments) -> Arguments:
    if not services.options.allow_downloads:
        raise SettingsError(
            "the server downloads no models", "Start it with sdtui serve --allow-downloads"
        )
    return given


def _refusing(services: ServerServices, given: Arguments) -> Arguments:
    raise SettingsError("this can't be done over the network", "Do it on the server")


_RESTRICTED: Mapping[str, Callable[[ServerServices, Arguments], Arguments]] = {
    "submit": _submitting,
    "submit_grid": _submitting_grid,
    "find": _named,
    "load": _named,
    "describe": _of_source,
    "token_counters": _of_source,
    "download": _downloading,
    "save_sheets": _refusing,
    **dict.fromkeys(
        ("get", "lineage", "star", "unstar", "tag", "untag", "trash", "delete_unless_starred"),
        _of_picture,
    ),
}
"""By the name of the call, which no two parts share."""
