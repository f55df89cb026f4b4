"""Variations: pictures like a picture, by image-to-image without a prompt."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response

from sdtui.core import runtime
from sdtui.server.api.openai.forms import FormRoute, Upload, read_upload
from sdtui.server.api.openai.images import ANSWERS, ImagesAnswer, answer, for_deployment
from sdtui.server.api.openai.schemas import VariationBody
from sdtui.server.dependencies import ServicesDep
from sdtui.server.services.generation import prepare
from sdtui.server.services.init_images import size_like

router = APIRouter(prefix="/images", tags=["OpenAI"], route_class=FormRoute)


@router.post("/variations", response_model=ImagesAnswer, responses=ANSWERS)
async def variations(
    body: Annotated[VariationBody, Form()],
    services: ServicesDep,
    http: Request,
    image: Annotated[Upload, File()],
) -> Response:
    """Generate pictures that are like a picture, and wait for them; with `stream`, send them as
    events. The lower `strength` is, the more they are like it."""
    picture = await read_upload(image)
    values = {**for_deployment(body, http).values(), "init_image": picture}
    if not values.keys() & {"width", "outpaint"}:
        values |= await asyncio.to_thread(size_like, services, values.get("model"), picture)
    request = await prepare(services, values, prompt_needed=False, is_compatible=True)
    del picture, values
    await asyncio.to_thread(runtime.return_free_memory)
    http.state.release_body()
    return await answer(body, [request], services, http)
