"""What calls of attached clients may do, and what others are told of them.

A client over the network may name models, never files of this machine but the pictures of the
history and those that it sent. Over a private socket, it is the user, and may all that the command
line may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdtui.core.errors import HistoryError, ImageError
from sdtui.jobs import Job
from sdtui.jobs.wire import Call
from sdtui.jobs.wire.files import map_files, uploaded_hash
from sdtui.server.api.attach.network_rules import Arguments, is_in_history, restricted
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.caller_backend import CallerBackend
from sdtui.server.services.callers import Caller, Permission
from sdtui.server.services.training_rules import allowed_request, check_files_allowed

_CHANGING_PICTURES = {
    *("star", "unstar", "tag", "untag", "trash", "delete_unless_starred", "restore"),
    *("delete_trashed", "empty_trash", "save_sheets", "reindex"),
}
_CHANGING_JOBS = {"cancel", "move", "pause", "resume", "save_again", "cancel_grid"}
_CHANGING_TRAININGS = {"keep", "delete"}
_NOT_OPENING = {"check_files", "resolve", "with_local_loras"}
"""Calls that don't open their requests' pictures, whose paths may be the client's."""

_FOR_ALL = {
    *(("prompts", each) for each in ("resolve", "names", "wildcards", "styles")),
    *(("models", each) for each in ("installed", "find", "describe", "token_counters")),
    *(("models", each) for each in ("vaes", "find_vae", "embeddings", "loras", "find_lora")),
    *(("models", each) for each in ("upscalers", "check_upscaler", "with_local_loras")),
    *(("models", each) for each in ("controlnets", "find_controlnet")),
    *(("models", each) for each in ("ip_adapters", "find_ip_adapter", "check_files")),
    ("hardware", "sample"),
}
"""Calls that change nothing and tell nothing of other callers."""


@dataclass(frozen=True)
class Client:
    """An app or command that calls."""

    id: str
    """Its own; may be empty."""
    caller: Caller
    is_private: bool
    """True if it is this server's user, over a socket that no other user reaches."""


def carry_out(
    services: ServerServices, client: Client, call: Call, arguments: Mapping[str, Any]
) -> Any:
    """Return what a call returns, if it is allowed. Raises what it raises."""
    check_permission(services.caller, call)
    given = dict(arguments)
    if call.name not in _NOT_OPENING:
        given = map_files(given, lambda path: _file(services, path, client))
    if not client.is_private:
        given = restricted(services, call, given)
    if call.part == "trainings":
        given = _training(services, call, given)
    if call.part == "jobs" and call.name.startswith("submit"):
        given["output"] = services.retention.output(given.get("output"), is_kept=True)
    if (call.part, call.name) == ("models", "download"):
        given["subscriber"] = services.attach_hub.put_download
    if call.name == "cancel_download" and not services.sees_job(given["download_id"]):
        return None
    result = _seen(services, call, _apply(services, client, call, given))
    _announce(services, call, given, result, client)
    return result


def check_permission(caller: Caller, call: Call) -> None:
    """Raise ForbiddenError if a caller may not do this. Jobs and pictures have rules of their
    own."""
    key = (call.part, call.name)
    if key in (("models", "download"), ("models", "cancel_download")):
        caller.check(Permission.DOWNLOAD)
    elif call.part not in ("jobs", "pictures") and key not in _FOR_ALL:
        caller.check_admin(f"use {call.part}/{call.name}")


def _training(services: ServerServices, call: Call, given: Arguments) -> Arguments:
    """Return the arguments of a call of trainings. Raises SdtuiError if it isn't allowed."""
    if call.name == "start":
        return {**given, "request": allowed_request(services, given["request"])}
    if call.name == "delete":
        check_files_allowed(services)
    return given


def _apply(services: ServerServices, client: Client, call: Call, given: Arguments) -> Any:
    part = getattr(services.backend, call.part)
    if client.is_private or not call.name.startswith("submit"):
        return call.apply(part, given)
    services.client_jobs.check(client.caller.name)
    # A client could give each of its jobs another name, and be served before others.
    result = call.apply(part, {**given, "client": client.caller.name})
    for job in [result] if isinstance(result, Job) else result:
        services.client_jobs.note(job.id, client.caller.name)
    return result


def _seen(services: ServerServices, call: Call, result: Any) -> Any:
    """Return a result without models that aren't served, and note a download as the caller's."""
    key = (call.part, call.name)
    if key == ("models", "installed"):
        return [each for each in result if services.models.serves(each.name)]
    if key == ("models", "download") and isinstance(services.backend, CallerBackend):
        services.backend.jobs.note_own(result)
    return result


def _announce(
    services: ServerServices, call: Call, given: Arguments, result: Any, client: Client
) -> None:
    """Tell other clients what has no event."""
    hub = services.attach_hub
    if call.part == "pictures":
        if call.name in _CHANGING_PICTURES or (call.name == "refresh" and result):
            is_any = client.caller.is_admin  # whose pictures may be anyone's
            hub.note_history(client.id, "" if is_any else client.caller.owner)
    elif call.part == "trainings" and call.name in _CHANGING_TRAININGS:
        hub.note_jobs()
    elif call.part == "jobs" and call.name in _CHANGING_JOBS:
        ids = [given["job_id"]] if "job_id" in given else []
        if call.name == "cancel_grid":
            ids = [job.id for job in services.backend.jobs.jobs() if _is_of(job, given["grid_id"])]
        hub.note_jobs(*ids, is_reordered=call.name == "move")


def _is_of(job: Job, grid_id: str) -> bool:
    return job.grid is not None and job.grid.grid.id == grid_id


def _file(services: ServerServices, path: Path, client: Client) -> Path:
    """Return the file that a path in a request stands for. Raises ImageError."""
    if sha256 := uploaded_hash(path):
        found = services.attach_uploads.find(sha256)
        if found is None:
            raise ImageError("a picture of the request isn't here", "Send it again")
        return found
    if client.is_private or services.attach_uploads.contains(path):
        return path
    if is_in_history(services, path) and _is_seen(services, path):
        return path
    raise ImageError(f"{path} isn't there", "Check the path")


def _is_seen(services: ServerServices, path: Path) -> bool:
    """True if the caller may know of a picture in the history or its trash."""
    if services.caller.is_admin:
        return True
    try:
        services.backend.pictures.get(path)
    except HistoryError:
        return path in services.backend.pictures.trashed()
    return True
