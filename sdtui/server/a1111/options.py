"""The options: of all that A1111 has, the chosen model is the one that counts here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict

from sdtui.server.a1111.checkpoints import find_checkpoint
from sdtui.server.desk import TheDesk
from sdtui.server.errors import ApiError, documented
from sdtui.server.route import JsonRoute

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], route_class=JsonRoute)


class OptionsAnswer(BaseModel):
    """What clients look at."""

    model_config = ConfigDict(protected_namespaces=())

    sd_model_checkpoint: str
    sd_checkpoint_hash: str = ""
    sd_vae: str = "Automatic"
    CLIP_stop_at_last_layers: int = 1
    samples_format: str = "png"
    samples_save: bool = True
    enable_pnginfo: bool = True
    live_previews_enable: bool = True
    show_progress_every_n_steps: int = 1
    randn_source: str = "CPU"
    upscaler_for_img2img: str | None = None
    face_restoration_model: str | None = None


@router.get("/options", responses=documented("a1111"))
async def options(desk: TheDesk) -> OptionsAnswer:
    """The options."""
    return OptionsAnswer(sd_model_checkpoint=desk.a1111.checkpoint)


@router.post("/options", responses=documented("a1111", 404, 503))
async def set_options(desk: TheDesk, body: Annotated[dict[str, Any], Body()]) -> None:
    """Choose a model by `sd_model_checkpoint`: it is read at once. Everything else is taken and
    changes nothing, so that the whole object can be posted back."""
    title = body.get("sd_model_checkpoint")
    if title is None:
        return
    if not isinstance(title, str):
        raise ApiError(422, "InvalidRequestError", "sd_model_checkpoint must be a model's title.")
    name = await find_checkpoint(desk, title)
    if name != desk.a1111.checkpoint:
        desk.a1111.checkpoint = name
        desk.queue.load(name, desk.settings.dtype, desk.settings.memory_mode)
