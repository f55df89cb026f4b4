"""What requests may add to a model."""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from sdtui.models import InstalledLora
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import documented
from sdtui.server.files import PICTURE_ANSWERS
from sdtui.server.lora_previews import lora_preview
from sdtui.server.scopes import root_path_of

router = APIRouter(tags=["sdtui"])


class LoraAnswer(BaseModel):
    """A LoRA that a request may name."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    alias: str | None = None
    """The name that it was trained under."""
    kind: str | None = None
    """LoRA, LoHa, LoKr, DoRA or full."""
    family: str | None = None
    rank: int | None = None
    base_model: str | None = None
    trigger_words: list[str] = []
    autov2: str | None = None
    autov3: str | None = None
    """Its hashes, if they are asked for."""
    preview: str | None = None
    """URL of the picture beside the file."""
    problem: str | None = None
    """Why it can't be used."""


@router.get("/loras", responses=documented("sdtui"))
async def loras(services: ServicesDep, http: Request, hashes: bool = False) -> list[LoraAnswer]:
    """List the LoRAs that a request may name, and files that can't be used. With `hashes`, files
    that are new are read in full."""

    def answers() -> list[LoraAnswer]:
        installed = services.backend.models.loras()
        return [_answer(each, root_path_of(http.scope), hashes) for each in installed]

    return await asyncio.to_thread(answers)


@router.get("/loras/preview", response_class=FileResponse, responses=PICTURE_ANSWERS)
async def preview(
    services: ServicesDep, name: Annotated[str, Query(max_length=1000)]
) -> FileResponse:
    """Return the picture beside a LoRA."""
    return await lora_preview(services, name)


def _answer(installed: InstalledLora, root_path: str, has_hashes: bool) -> LoraAnswer:
    lora = installed.lora
    if lora is None:
        return LoraAnswer(name=installed.name, problem=installed.problem)
    url = f"{root_path}/loras/preview?{urlencode({'name': installed.name})}"
    return LoraAnswer(
        name=installed.name,
        alias=lora.alias,
        kind=lora.kind,
        family=lora.family,
        rank=lora.rank,
        base_model=lora.base_model or None,
        trigger_words=list(lora.trigger_words),
        autov2=lora.autov2 if has_hashes else None,
        autov3=lora.autov3 if has_hashes else None,
        preview=url if lora.preview else None,
    )
