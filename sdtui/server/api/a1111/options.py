"""A1111's options: the selected model, and those that are fields of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, ConfigDict

from sdtui.core.errors import SdtuiError
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.sections.encoding import COMMA_BACKTRACK
from sdtui.requests.sections.vae import OWN_VAE
from sdtui.requests.validation import validate_fields
from sdtui.server.api.a1111.checkpoints import find_checkpoint, read_checkpoint
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.dialects import names_in
from sdtui.server.errors import ApiError, documented, from_sdtui
from sdtui.server.ignored_fields import IgnoredFields
from sdtui.server.outcome_headers import not_applied_header
from sdtui.server.routing import JsonRoute
from sdtui.server.services.callers import Permission

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], route_class=JsonRoute)


class OptionsAnswer(BaseModel):
    """The options that clients read."""

    model_config = ConfigDict(protected_namespaces=())

    sd_model_checkpoint: str
    sd_checkpoint_hash: str = ""
    sd_vae: str = "Automatic"
    CLIP_stop_at_last_layers: int = 1
    emphasis: str = "Original"
    comma_padding_backtrack: int = COMMA_BACKTRACK
    samples_format: str = "png"
    samples_save: bool = True
    enable_pnginfo: bool = True
    live_previews_enable: bool = True
    show_progress_every_n_steps: int = 1
    randn_source: str = "CPU"
    skip_early_cond: float = 0.0
    upscaler_for_img2img: str | None = None
    face_restoration_model: str | None = None


_FIELDS = names_in("a1111_option")
_IGNORED = IgnoredFields(
    harmless=frozenset(("sd_model_checkpoint", *_FIELDS.values())),
    defaults={
        **{name: (field.default,) for name, field in OptionsAnswer.model_fields.items()},
        "upscaler_for_img2img": (None, "Lanczos"),
        "ddim_discretize": ("uniform",),
        "inpainting_mask_weight": (1,),
        "initial_noise_multiplier": (1,),
    },
)


def changed_options(options: Mapping[str, Any]) -> list[str]:
    """The names of those options, which have no effect here, that have another value than here."""
    return _IGNORED.named(options)


@router.get("/options", responses=documented("a1111"))
async def options(services: ServicesDep) -> OptionsAnswer:
    """Return the options."""
    chosen = {
        _FIELDS[name]: REQUEST_FIELDS[name].spec.a1111_names.get(value, value)
        for name, value in services.a1111.options.items()
    }
    return OptionsAnswer(sd_model_checkpoint=services.a1111.checkpoint, **chosen)


@router.post("/options", responses=documented("a1111", 404, 408, 409, 429, 502, 503))
async def set_options(
    services: ServicesDep,
    body: Annotated[dict[str, Any], Body(examples=[{"samples_format": "png"}])],
    response: Response,
) -> None:
    """Select a model by `sd_model_checkpoint`. It is loaded before the reply and isn't selected if
    that fails; while jobs run, the reply comes at once and the model is loaded after them.
    `CLIP_stop_at_last_layers`, `sd_vae`, `emphasis`, `comma_padding_backtrack`, `randn_source` and
    `skip_early_cond` hold for later requests that leave them open, until the server ends. All other
    options are accepted without effect, so that clients can send back the whole object; the header
    X-Sdtui-Not-Applied lists those that have other values than here."""
    response.headers.update(not_applied_header(changed_options(body)))
    chosen = await asyncio.to_thread(with_options, services, body)
    title = body.get("sd_model_checkpoint")
    if title and not isinstance(title, str):
        raise ApiError(422, "InvalidRequestError", "sd_model_checkpoint must be a model's title.")
    if title:
        await _select(services, title)
    services.a1111.options = chosen


def with_options(services: ServerServices, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chosen values of a request's fields after changes under A1111's names, whose
    defaults leave a field open. Reads folders. Raises ApiError."""
    defaults = OptionsAnswer.model_fields
    given = {name: changes[theirs] for name, theirs in _FIELDS.items() if theirs in changes}
    chosen = {
        name: value
        for name, value in given.items()
        if value is not None and value != defaults[_FIELDS[name]].default
    }
    try:
        checked = validate_fields(REQUEST_FIELDS, chosen)
        if checked.get("vae") not in (None, OWN_VAE):
            services.backend.models.find_vae(checked["vae"])
    except SdtuiError as error:
        raise from_sdtui(error) from error
    kept = {name: each for name, each in services.a1111.options.items() if name not in given}
    return {**kept, **checked}


async def _select(services: ServerServices, title: str) -> None:
    """Select a model and load it. Raises ApiError."""
    name = await find_checkpoint(services, title)
    if name != services.a1111.checkpoint or services.job_events.model.problem is not None:
        if services.caller.has(Permission.LOAD):  # else the next job loads it
            await read_checkpoint(services, name)
        services.a1111.checkpoint = name


@router.post("/unload-checkpoint", responses=documented("a1111", 409, 503))
async def unload_checkpoint(services: ServicesDep) -> None:
    """Unload the model to free its memory; the next job loads it again. While jobs run it is
    unloaded after them."""
    await read_checkpoint(services, None)


@router.post("/reload-checkpoint", responses=documented("a1111", 404, 409, 502, 503))
async def reload_checkpoint(services: ServicesDep) -> None:
    """Load the selected model again."""
    await read_checkpoint(services, services.a1111.checkpoint)
