"""The options: of all that A1111 has, the chosen model is the one that counts here."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict

from sdtui.core.errors import QueueClosedError
from sdtui.core.events import Cancelled, Failed
from sdtui.server.a1111.checkpoints import find_checkpoint
from sdtui.server.closing import unless_closing
from sdtui.server.desk import Desk, TheDesk
from sdtui.server.errors import ApiError, documented, ending, from_failed
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


@router.post("/options", responses=documented("a1111", 404, 409, 503))
async def set_options(desk: TheDesk, body: Annotated[dict[str, Any], Body()]) -> None:
    """Choose a model by `sd_model_checkpoint`: it is read before the answer comes or, where jobs
    are being made, behind them. One that can't be read isn't chosen. Everything else is taken and
    changes nothing, so that the whole object can be posted back."""
    title = body.get("sd_model_checkpoint")
    if not title:
        return
    if not isinstance(title, str):
        raise ApiError(422, "InvalidRequestError", "sd_model_checkpoint must be a model's title.")
    name = await find_checkpoint(desk, title)
    if name != desk.a1111.checkpoint or desk.board.problem is not None:
        await _read(desk, name)
        desk.a1111.checkpoint = name


async def _read(desk: Desk, name: str) -> None:
    jobs_go_first = any(not job.state.is_over for job in desk.queue.jobs())
    try:
        load = desk.queue.load(name, desk.settings.dtype, desk.settings.memory_mode)
        if jobs_go_first:
            return
        ended = await unless_closing(asyncio.wrap_future(load.over), desk.closing)
    except (QueueClosedError, TimeoutError):
        ended = Cancelled()
    if isinstance(ended, Failed):
        raise from_failed(ended)
    if ended is not None:
        closing = desk.closing.is_set()
        raise ending() if closing else ApiError(409, "Replaced", "Another model was chosen.")
