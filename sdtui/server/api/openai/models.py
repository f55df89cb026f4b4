"""The list of models for OpenAI's clients."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from sdtui.core.errors import ModelNotFoundError
from sdtui.models import ModelSource
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import documented

router = APIRouter(prefix="/models", tags=["OpenAI"])


class ModelAnswer(BaseModel):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "sdtui"


class ModelsAnswer(BaseModel):
    """The models."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]


@router.get("", responses=documented("openai"))
async def models(services: ServicesDep) -> ModelsAnswer:
    """List the models that a request may name, the default one first."""
    sources = await asyncio.to_thread(services.models.usable)
    return ModelsAnswer(data=[_answer(each) for each in sources])


@router.get("/{name:path}", responses=documented("openai", 404))
async def model(name: Annotated[str, Path(max_length=300)], services: ServicesDep) -> ModelAnswer:
    """Return a model."""
    for source in await asyncio.to_thread(services.models.usable):
        if source.name == name:
            return _answer(source)
    raise ModelNotFoundError(f'there is no model "{name}" here', "/v1/models lists them")


def _answer(source: ModelSource) -> ModelAnswer:
    made = int(source.path.stat().st_mtime) if source.path and source.path.exists() else 0
    return ModelAnswer(id=source.name, created=made)
