"""Which files of this machine a training may use: those of its user over a private socket, and
over the network those that the operator has set aside for trainings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdtui.core import paths
from sdtui.core.errors import ForbiddenError, InvalidRequestError, Problem
from sdtui.requests.request import GenerationRequest
from sdtui.requests.training.request import TRAINING_FIELDS, TrainingRequest
from sdtui.server.dependencies import ServerServices

_OUTPUT = "output_dir"


def check_files_allowed(services: ServerServices) -> None:
    """Raise ForbiddenError if the caller may neither begin nor delete trainings."""
    if not services.options.own_user_only and services.options.training_folder is None:
        raise ForbiddenError(
            "trainings are begun and deleted on the server itself",
            "Its operator allows it over the network with sdtui serve --training-folder",
        )


def allowed_request(services: ServerServices, request: TrainingRequest) -> TrainingRequest:
    """Return a request with absolute paths and the name of a model that is served. Reads folders.

    Raises ForbiddenError, ModelError, and InvalidRequestError for paths that it may not name.
    """
    check_files_allowed(services)
    folder = None if services.options.own_user_only else services.options.training_folder
    values = TRAINING_FIELDS.values_of(request)
    problems: list[Problem] = []
    for name, path in TRAINING_FIELDS.files(request):
        try:
            values[name] = _expanded(path) if folder is None else _below(folder, name, path)
        except ValueError as error:
            problems.append(Problem(name, None, str(error)))
    if problems:
        raise InvalidRequestError(problems)
    if folder is not None:
        values["model"] = services.models.resolve(request.model)
        services.backend.models.check_files(list(_pictures_of(request)))
    return TrainingRequest.parse(values)


def _expanded(path: Path) -> Path:
    expanded = paths.expanded(path)
    if not expanded.is_absolute():
        raise ValueError("must be an absolute path on the server's machine")
    return expanded


def _below(folder: Path, name: str, path: Path) -> Path:
    """Return what a path below a folder stands for, also after links in it. Raises ValueError."""
    if name == _OUTPUT:
        raise ValueError("can't be given over the network: LoRAs are written into their folder")
    try:
        root = folder.resolve()
        resolved = (root / path).resolve()
        is_below = root in resolved.parents
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, a NUL in it
        is_below = False
    if not is_below:
        raise ValueError("must be a folder in the server's folder of trainings")
    return resolved


def _pictures_of(request: TrainingRequest) -> Iterator[GenerationRequest]:
    """Yield requests with the prompts of pictures that the training makes: they may name LoRAs."""
    for prompt in (*request.output.validation_prompts, request.data.class_prompt):
        if prompt:
            yield GenerationRequest.parse({"prompt": prompt, "model": request.model})
