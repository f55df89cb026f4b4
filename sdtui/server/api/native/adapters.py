"""What requests may add to a model."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from sdtui.models import InstalledLora
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import documented

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
    problem: str | None = None
    """Why it can't be used."""


@router.get("/loras", responses=documented("sdtui"))
async def loras(services: ServicesDep) -> list[LoraAnswer]:
    """List the LoRAs that a request may name, and files that can't be used."""
    installed = await asyncio.to_thread(services.backend.models.loras)
    return [_answer(each) for each in installed]


def _answer(installed: InstalledLora) -> LoraAnswer:
    lora = installed.lora
    if lora is None:
        return LoraAnswer(name=installed.name, problem=installed.problem)
    return LoraAnswer(
        name=installed.name,
        alias=lora.alias,
        kind=lora.kind,
        family=lora.family,
        rank=lora.rank,
        base_model=lora.base_model or None,
        trigger_words=list(lora.trigger_words),
    )
