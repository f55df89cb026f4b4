"""What a backend's models say about requests before they are queued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sdtui.core.dynamic_prompts.parser import is_dynamic
from sdtui.core.prompt_syntax.comments import strip_comments
from sdtui.core.prompt_tags import parse_lora, take_tags
from sdtui.jobs.api import Models
from sdtui.jobs.prompts import PicturePrompts
from sdtui.models import native_size
from sdtui.requests.grids import Grid
from sdtui.requests.request import GenerationRequest

_DEFAULT_SIDE = 512


def check_grid(models: Models, grid: Grid) -> None:
    """Raise ModelError for a model or LoRA of a grid that isn't here or can't be used, and
    InvalidRequestError if its sheet would be too large. Reads folders and configs."""
    requests = [cell.request for cell in grid.cells]
    sizes = {name: _native_size_of(models, name) for name in {each.model for each in requests}}
    grid.check_sheet(sizes.__getitem__)
    check_loras(models, requests, allow_files=True)


def check_loras(
    models: Models, requests: Sequence[GenerationRequest], *, allow_files: bool = False
) -> None:
    """Raise ModelError if a request names a LoRA that isn't here; paths of files are names only if
    `allow_files`. Reads folders."""
    fields = {use for request in requests for use in request.adapters.loras}
    prompts = {request.prompt for request in requests}
    tags = (use for prompt in prompts for use in take_tags(strip_comments(prompt)).loras)
    for name in dict.fromkeys(use.name for use in (*map(parse_lora, fields), *tags)):
        if not (allow_files and is_dynamic(name)):  # it is known when the prompt is resolved
            models.find_lora(name, allow_files=allow_files)


def check_resolved(
    models: Models, request: GenerationRequest, prompts: Sequence[PicturePrompts]
) -> None:
    """Raise ModelError if prompts that templates became name a LoRA that isn't here. A tag that
    only appears in them must not be the path of a file either. Reads folders."""
    check_loras(models, [replace(request, prompt=each.prompt) for each in prompts])


def _native_size_of(models: Models, name: str) -> tuple[int, int]:
    """Return the native width and height of a model in pixels; those of SD 1.x for one that isn't
    downloaded. Raises ModelError."""
    description = models.describe(models.find(name))
    return (_DEFAULT_SIDE, _DEFAULT_SIDE) if description is None else native_size(description)
