"""What a backend's models say about requests before they are queued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sdtui.core.dynamic_prompts.parser import is_dynamic
from sdtui.core.enums import DynamicPrompts, UnusableLoras
from sdtui.core.errors import ModelError
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry
from sdtui.jobs.model_api import Models
from sdtui.jobs.prompts import PicturePrompts
from sdtui.models import (
    ControlNet,
    IPAdapter,
    check_values,
    is_lora_path,
    native_size,
    run_notices,
)
from sdtui.requests.control_pictures import check_control_pictures
from sdtui.requests.grids import Grid
from sdtui.requests.lora_uses import all_lora_uses, check_uses
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.hires import LATENT_UPSCALERS
from sdtui.requests.sections.vae import OWN_VAE

_DEFAULT_SIDE = 512


def check_grid(models: Models, grid: Grid) -> None:
    """Raise ModelError for a model or LoRA of a grid that isn't here or can't be used, and
    InvalidRequestError if its sheet would be too large. Reads folders and configs."""
    requests = [cell.request for cell in grid.cells]
    sizes = {name: _native_size_of(models, name) for name in {each.model for each in requests}}
    grid.check_sheet(sizes.__getitem__)
    models.check_files(requests, allow_files=True)


def check_requests(
    models: Models, requests: Sequence[GenerationRequest], *, allow_files: bool = False
) -> None:
    """Raise InvalidRequestError if a request has a value that its model can't be used with, and the
    errors of `Models.check_files`. Reads folders and configs."""
    models.check_files(requests, allow_files=allow_files)
    for request in requests:
        check_model_values(models, request)


def check_model_values(models: Models, request: GenerationRequest) -> None:
    """Raise InvalidRequestError if a request has a value that its model can't be used with. Reads
    configs. Raises ModelError."""
    if request.upscale.image is None:  # which may need no model
        description = models.describe(models.find(request.model))
        if description is not None:
            check_values(description, request)


def check_files(
    models: Models, requests: Sequence[GenerationRequest], *, allow_files: bool = False
) -> None:
    """Check requests as `Models.check_files` says, with the other methods of `models`, whose files
    are on this machine."""
    for model, name in dict.fromkeys((each.model, each.vae.vae) for each in requests):
        if name is None or name == OWN_VAE:
            continue
        vae = models.find_vae(name, allow_files=allow_files)
        description = models.describe(models.find(model))
        if description is not None and description.takes_vaes:
            vae.check_fits(description)
    for request in requests:
        _check_control(models, request, allow_files=allow_files)
    check_loras(models, requests, allow_files=allow_files)
    upscalers = (name for each in requests for name in upscalers_of(each))
    for name in dict.fromkeys(upscalers):
        models.check_upscaler(name, allow_files=allow_files)


def _check_control(models: Models, request: GenerationRequest, *, allow_files: bool) -> None:
    """Raise ModelError for a ControlNet or an IP-Adapter that isn't here or doesn't fit."""
    control = request.control
    check_control_pictures(request)
    controls = map(ControlEntry.parse, control.controls)
    adapters = map(IPAdapterEntry.parse, control.ip_adapters)
    found: list[ControlNet | IPAdapter] = [
        *(models.find_controlnet(each.name, allow_files=allow_files) for each in controls),
        *(models.find_ip_adapter(each.name, allow_files=allow_files) for each in adapters),
    ]
    description = models.describe(models.find(request.model)) if found else None
    if description is not None and description.is_stable_diffusion:
        for each in found:
            each.check_fits(description)


def upscalers_of(request: GenerationRequest) -> Iterator[str]:
    """Yield the names of a request's upscalers of pictures."""
    of_hires = request.hires.upscaler if request.hires else None
    for name in (request.upscale.upscaler, request.upscale.second, of_hires):
        if name is not None and name not in LATENT_UPSCALERS:
            yield name


def check_loras(
    models: Models, requests: Sequence[GenerationRequest], *, allow_files: bool = False
) -> None:
    """Raise InvalidRequestError if a request has a LoRA that can't be understood, and ModelError if
    it names one that isn't here, unless it leaves these out; paths of files are names only if
    `allow_files`. Reads folders."""
    is_needed: dict[str, bool] = {}
    for request in requests:
        refuses = request.adapters.unusable_loras is UnusableLoras.REFUSE
        # Of a template, names and weights are known when it is resolved.
        is_template = request.takes_dynamic_prompts and is_dynamic(request.prompt)
        if refuses and not is_template:
            check_uses(request)
        for use in all_lora_uses(request):
            if not (is_template and is_dynamic(use.name)):
                is_needed[use.name] = is_needed.get(use.name, False) or refuses
    for name, needed in is_needed.items():
        try:
            models.find_lora(name, allow_files=allow_files)
        except ModelError:
            if needed or (is_lora_path(name) and not allow_files):
                raise


def left_out(models: Models, request: GenerationRequest) -> tuple[str, ...]:
    """Return notices about the fields of a request that its model leaves out; none for a model that
    isn't downloaded. Reads configs. Raises ModelError."""
    source = models.find(request.model)
    description = models.describe(source)
    if description is None:
        return ()
    return tuple(run_notices(source.name, description, request))


def check_resolved(
    models: Models, request: GenerationRequest, prompts: Sequence[PicturePrompts]
) -> None:
    """Raise ModelError if prompts that templates became name a LoRA that isn't here. A tag that
    only appears in them must not be the path of a file either. Reads folders."""
    is_done = replace(request.templates, dynamic_prompts=DynamicPrompts.OFF)
    resolved = replace(request, templates=is_done)
    check_loras(models, [replace(resolved, prompt=each.prompt) for each in prompts])


def _native_size_of(models: Models, name: str) -> tuple[int, int]:
    """Return the native width and height of a model in pixels; those of SD 1.x for one that isn't
    downloaded. Raises ModelError."""
    description = models.describe(models.find(name))
    return (_DEFAULT_SIDE, _DEFAULT_SIDE) if description is None else native_size(description)
