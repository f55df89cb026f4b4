"""A1111's options, of which only the selected model has an effect here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, ConfigDict

from sdtui.server.api.a1111.checkpoints import find_checkpoint, read_checkpoint
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import ApiError, documented
from sdtui.server.ignored_fields import IgnoredFields
from sdtui.server.outcome_headers import not_applied_header
from sdtui.server.routing import JsonRoute

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], route_class=JsonRoute)


class OptionsAnswer(BaseModel):
    """The options that clients read."""

    model_config = ConfigDict(protected_namespaces=())

    sd_model_checkpoint: str
    sd_checkpoint_hash: str = ""
    sd_vae: str = "Automatic"
    CLIP_stop_at_last_layers: int = 1
    emphasis: str = "Original"
    samples_format: str = "png"
    samples_save: bool = True
    enable_pnginfo: bool = True
    live_previews_enable: bool = True
    show_progress_every_n_steps: int = 1
    randn_source: str = "CPU"
    upscaler_for_img2img: str | None = None
    face_restoration_model: str | None = None


_IGNORED = IgnoredFields(
    harmless=frozenset(("sd_model_checkpoint",)),
    defaults={name: (field.default,) for name, field in OptionsAnswer.model_fields.items()},
)


def changed_options(options: Mapping[str, Any]) -> list[str]:
    """The names of those options, which have no effect here, that have another value than here."""
    return _IGNORED.named(options)


@router.get("/options", responses=documented("a1111"))
async def options(services: ServicesDep) -> OptionsAnswer:
    """Return the options."""
    return OptionsAnswer(sd_model_checkpoint=services.a1111.checkpoint)


@router.post("/options", responses=documented("a1111", 404, 408, 409, 429, 502, 503))
async def set_options(
    services: ServicesDep,
    body: Annotated[dict[str, Any], Body(examples=[{"samples_format": "png"}])],
    response: Response,
) -> None:
    """Select a model by `sd_model_checkpoint`. It is loaded before the reply and isn't selected if
    that fails; while jobs run, the reply comes at once and the model is loaded after them. All
    other options are accepted without effect, so that clients can send back the whole object; the
    header X-Sdtui-Not-Applied lists those that have other values than here."""
    response.headers.update(not_applied_header(changed_options(body)))
    title = body.get("sd_model_checkpoint")
    if not title:
        return
    if not isinstance(title, str):
        raise ApiError(422, "InvalidRequestError", "sd_model_checkpoint must be a model's title.")
    name = await find_checkpoint(services, title)
    if name != services.a1111.checkpoint or services.job_events.model.problem is not None:
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
