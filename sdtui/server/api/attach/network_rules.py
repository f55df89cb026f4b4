"""What a client over the network may give to calls: names of models, pictures of the history and
pictures that it sent, within the server's limits, and never another file of this machine.

Arguments are checked by their types and names, whatever the call. An argument that may name a file
and that nothing here decides on is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from sdtui.core import paths
from sdtui.core.errors import (
    HistoryError,
    InvalidRequestError,
    ModelNotFoundError,
    Problem,
    SettingsError,
)
from sdtui.history import Entry
from sdtui.jobs import AttachmentPicture, JobPicture, Output, SheetPicture
from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.jobs.request_checks import check_resolved
from sdtui.jobs.wire import Call
from sdtui.models import ModelSource
from sdtui.requests.grids import Grid
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.requests.sections.execution import Execution
from sdtui.requests.styles import Style
from sdtui.requests.training.request import TrainingRequest
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.generation import check_limits, with_served_models
from sdtui.server.services.work import check_work

Arguments = dict[str, Any]
Rule = Callable[[ServerServices, Any], Any]
"""Returns what the call gets in place of a value. Raises SdtuiError if it isn't allowed."""

_LARGEST = 2**63 - 1
"""Of the integers of SQLite."""
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_LONGEST_TEXT = 4096
"""Letters of an argument."""
_MOST_ENTRIES = 1000
"""Of the history, in one answer."""
_MOST_IDS = 10_000
_MOST_GRID_BYTES = 2**18
"""Of the axes of a grid, which each of its pictures records."""
_MOST_POINTS = 2000
"""Of a curve."""
_REFUSED = {("pictures", "save_sheets")}
_HARMLESS_TYPES = (
    *(bool, int, float, bytes, NoneType, Enum, Style, Execution),
    *(JobPicture, SheetPicture, AttachmentPicture),
)
"""Types that name no file; of numbers, `most` has a limit."""
_CONTAINERS = (list, tuple, Sequence, Iterable, Union, UnionType)
"""Types whose contents are checked one by one."""
_TEXTS = {
    *("client", "download_id", "grid_id", "hashes", "hub_id", "job_id", "query", "sha256", "tags"),
    "workers",
}
"""Arguments that are never taken as a path or a name of something to be opened."""
_TEXTS_OF_CALLS = {
    ("prompts", "delete_style", "name"),
    # Names that are paths only with `allow_files`.
    *(("models", each, "name") for each in ("find_vae", "find_lora", "check_upscaler")),
    *(("models", each, "name") for each in ("find_controlnet", "find_ip_adapter")),
    # Looked for among the names of those that there are.
    *(("trainings", each, "name") for each in ("status", "curve", "resume", "pause", "stop")),
    *(("trainings", each, "name") for each in ("keep", "delete")),
}


def restricted(services: ServerServices, call: Call, given: Arguments) -> Arguments:
    """Return the arguments of a call over the network. Raises SdtuiError if it isn't allowed."""
    if (call.part, call.name) in _REFUSED:
        raise SettingsError("this can't be done over the network", "Do it on the server")
    if call.name == "download" and not services.options.allow_downloads:
        raise SettingsError(
            "the server downloads no models", "Start it with sdtui serve --allow-downloads"
        )
    hints = call.hints
    undecided = [name for name in given if not is_decided(call, name, hints[name])]
    if undecided:
        raise SettingsError(f"{undecided[0]} can't be given over the network")
    checked = {name: _checked(services, call, name, value) for name, value in given.items()}
    match call.name:
        case "submit":
            return _submitting(services, checked)
        case "submit_grid":
            return _submitting_grid(services, checked)
        case "sheets":
            return {**checked, "timeout": 0}  # waiting would hold a thread
        case "resolve":
            most = services.options.max_pictures
            return {**checked, "most": min(most, checked.get("most", most))}
    return checked


def is_decided(call: Call, name: str, hint: Any) -> bool:
    """True if there is a rule for everything that an argument of this type may hold."""
    if (call.part, call.name) in _REFUSED or _argument_rule(call, name) is not None:
        return True
    inner = [each for each in get_args(hint) if each is not Ellipsis]
    if get_origin(hint) is Annotated:
        return is_decided(call, name, inner[0])
    if get_origin(hint) in _CONTAINERS:
        return all(is_decided(call, name, each) for each in inner)
    return isinstance(hint, type) and (hint in _BY_TYPE or issubclass(hint, _HARMLESS_TYPES))


def _checked(services: ServerServices, call: Call, name: str, value: Any) -> Any:
    rule = _argument_rule(call, name) or _BY_TYPE.get(type(value))
    if rule is None and isinstance(value, Path):
        rule = _path
    if rule in (None, _unchanged) and any(len(text) > _LONGEST_TEXT for text in _texts(value)):
        raise _problem(name, f"has more than {_LONGEST_TEXT:,} letters")
    if rule is not None:
        return rule(services, value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise _problem(name, "is too large")
    if isinstance(value, list | tuple):
        return type(value)(_checked(services, call, name, each) for each in value)
    return value


def _texts(value: object) -> Iterator[str]:
    """Yield the plain texts in an argument."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from itertools.chain(*map(_texts, value.items()))
    elif isinstance(value, list | tuple):
        yield from itertools.chain(*map(_texts, value))


def _problem(name: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Problem(name, None, message)])


def _argument_rule(call: Call, name: str) -> Rule | None:
    if name in _TEXTS or (call.part, call.name, name) in _TEXTS_OF_CALLS:
        return _unchanged
    if (call.part, call.name, name) == ("models", "find", "name"):
        return _name
    return _BY_NAME.get(name)


def _unchanged(services: ServerServices, value: Any) -> Any:
    return value


def _limit(services: ServerServices, value: int) -> int:
    if value < 0:
        raise _problem("limit", "must not be negative")
    return min(value, _MOST_ENTRIES)


def _ids(services: ServerServices, value: Sequence[int]) -> Sequence[int]:
    if len(value) > _MOST_IDS or any(abs(each) > _LARGEST for each in value):
        raise _problem("ids", f"must be at most {_MOST_IDS:,} ids of pictures")
    return value


def _no_files(services: ServerServices, value: bool) -> bool:
    return False


def _check_new_id(new_id: str | None) -> None:
    if new_id is not None and not _ID.fullmatch(new_id):
        raise _problem("id", "must be at most 64 letters and digits")


def _source(services: ServerServices, source: ModelSource) -> ModelSource:
    return services.backend.models.find(_name(services, source.name))


def _name(services: ServerServices, name: str) -> str:
    """Refuse what leads to a model as a path, and a model that isn't served."""
    is_path = name.startswith((".", "~")) or Path(name).is_absolute() or paths.exists(Path(name))
    is_served = services.models.serves(name)
    if not is_served or (is_path and name not in {each.name for each in services.models.sources()}):
        raise ModelNotFoundError(f'there is no model "{name[:200]}" on the server', "Name another")
    return name


def _which(services: ServerServices, which: int | str | Path) -> int | str | Path:
    """Let through an id, a file name, or a path in the history."""
    if isinstance(which, int):
        return which
    path = Path(which)
    if not path.is_absolute():
        if path.name != str(path):
            path = services.backend.pictures.folder / path
        elif not paths.exists(path):  # otherwise a file of the working folder
            return which
    return _path(services, path)


def _path(services: ServerServices, path: Path) -> Path:
    if not is_in_history(services, path):
        raise HistoryError(f'the history has no picture "{path}"')
    return path


def is_in_history(services: ServerServices, path: Path) -> bool:
    """True for an absolute path in the pictures folder or its trash, also after links in it."""
    pictures = services.backend.pictures
    folders = [each.resolve() for each in (pictures.folder, pictures.trash_folder)]
    try:
        return path.is_absolute() and any(map(path.resolve().is_relative_to, folders))
    except (OSError, ValueError):  # ValueError: a NUL in it
        return False


def _entry(services: ServerServices, entry: Entry) -> Entry:
    _path(services, entry.path)
    return entry


def _output(services: ServerServices, output: Output) -> Output:
    if output.folder or output.file:
        raise SettingsError("pictures can't be saved anywhere on the server", "Fetch them instead")
    return output.model_copy(update={"owner": services.caller.owner})


_BY_TYPE: Mapping[type, Rule] = {
    # Their files are checked where they are opened; models and limits in `_check_requests`.
    **dict.fromkeys((GenerationRequest, ResolvedPrompts, Grid), _unchanged),
    TrainingRequest: _unchanged,  # its folders and its model are checked for all clients
    Path: _path,
    Entry: _entry,
    ModelSource: _source,
    Output: _output,
}
_BY_NAME: Mapping[str, Rule] = {
    "allow_files": _no_files,
    "ids": _ids,
    "limit": _limit,
    "model": lambda services, name: services.models.resolve(name),
    "points": lambda _, value: min(value, _MOST_POINTS),
    "which": _which,
}


def _submitting(services: ServerServices, given: Arguments) -> Arguments:
    _check_new_id(given.get("job_id"))
    request = with_served_models(services, given["request"])
    prompts: ResolvedPrompts | None = given.get("prompts")
    if prompts is None:
        check_limits(services, request)  # before its combinations are drawn
        most = services.options.max_pictures
        prompts = services.backend.prompts.resolve(request, most=most)
    prompts = replace(prompts, request=with_served_models(services, prompts.request))
    _check_requests(services, [request, prompts.request], [prompts])
    front = given.get("front", False) and services.caller.is_admin
    if front:
        services.backend.jobs.check_capacity()
    return {**given, "request": request, "prompts": prompts, "front": front}


def _submitting_grid(services: ServerServices, given: Arguments) -> Arguments:
    grid: Grid = given["grid"]
    prompts: Sequence[ResolvedPrompts] = given.get("prompts") or ()
    requests = [*(cell.request for cell in grid.cells), *(each.request for each in prompts)]
    most = services.options.max_grid
    if not 1 <= len(grid.cells) <= most:
        message = f"{len(grid.cells):,} pictures; this server makes {most:,} of a grid"
        raise _problem("grid", message)
    if len(grid.record.model_dump_json()) > _MOST_GRID_BYTES:
        raise _problem("grid", f"its axes have more than {_MOST_GRID_BYTES:,} bytes")
    if prompts and len(prompts) != len(grid.cells):
        raise _problem("prompts", "must be one for each picture")
    _check_new_id(grid.record.id)
    _check_requests(services, requests, prompts)
    grid.check_sheet(services.models.native_size)
    return given


def _check_requests(
    services: ServerServices,
    requests: Sequence[GenerationRequest],
    prompts: Iterable[ResolvedPrompts],
) -> None:
    """Raise SdtuiError if requests are more than the server allows, or name files by paths."""
    models = services.backend.models
    distinct = {
        (
            each.model,
            each.refiner,
            each.hires,
            each.width,
            each.height,
            each.num_images_per_prompt,
        ): each
        for each in requests
    }
    for request in distinct.values():
        check_limits(services, with_served_models(services, request))
    served = (with_served_models(services, each) for each in requests)
    check_work(served, services.models, services.options.max_work)
    models.check_files(requests)
    for each in prompts:
        if len(each.prompts) not in (0, each.request.num_images_per_prompt):
            raise _problem("prompts", "must be one for each picture")
        texts = [text for picture in each.prompts for text in vars(picture).values()]
        if any(len(text) > (REQUEST_FIELDS["prompt"].spec.max_length or 0) for text in texts):
            raise _problem("prompts", "are too long")
        check_resolved(models, each.request, each.prompts)
