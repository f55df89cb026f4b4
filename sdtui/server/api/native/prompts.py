"""Styles, wildcards and presets, and what they make of prompts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from sdtui.core.errors import SdtuiError
from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.requests.styles import Style
from sdtui.server.api.native.schemas import GenerateBody
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import documented, from_sdtui
from sdtui.server.routing import JsonRoute
from sdtui.server.services.presets import served_preset, served_presets

router = APIRouter(tags=["sdtui"], route_class=JsonRoute)
_ERRORS = documented("sdtui")
_Result = TypeVar("_Result")
_MOST_LINES = 1000
_FIELDS = (
    *("prompt", "negative_prompt", "seed", "num_images_per_prompt"),
    *("styles", "dynamic_prompts", "prompt_syntax"),
)
"""What prompts depend on."""


class StyleAnswer(BaseModel):
    """A style: the texts that it adds to the prompts."""

    name: str
    prompt: str
    negative_prompt: str


class WildcardsAnswer(BaseModel):
    """Wildcards."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    names: list[str]
    lines: list[str] = []
    """The first lines of the one that was asked for."""


class PromptsAnswer(BaseModel):
    """The prompts of a picture."""

    prompt: str
    negative_prompt: str


class ExpandedAnswer(BaseModel):
    """What the prompts of a request become."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    seed: int | None
    """The seed with which they become it again; none if they don't depend on one."""
    prompts: list[PromptsAnswer]
    """Those of each picture."""
    notices: list[str] = Field(default_factory=list)


@router.get("/styles", responses=_ERRORS)
async def styles(services: ServicesDep) -> list[StyleAnswer]:
    """List the styles."""
    found: list[Style] = await _read(services.backend.prompts.styles)
    return [StyleAnswer(**asdict(style)) for style in found]


@router.get("/wildcards", responses=_ERRORS)
async def wildcards(
    services: ServicesDep, name: Annotated[str, Query(max_length=300)] = ""
) -> WildcardsAnswer:
    """List the wildcards, and with `name` the lines of those that it matches."""

    def read() -> WildcardsAnswer:
        files = services.backend.prompts.wildcards()
        lines = files.lines(name)[:_MOST_LINES] if name else []
        return WildcardsAnswer(names=files.names(), lines=[line.text for line in lines])

    return await _read(read)


@router.get("/presets", responses=_ERRORS)
async def presets() -> dict[str, dict[str, Any]]:
    """List the presets: the values of each by the names of fields, files apart."""
    found = await _read(served_presets)
    return {name: dict(values) for name, values in found.items()}


@router.post("/expand", responses=_ERRORS)
async def expand(body: GenerateBody, services: ServicesDep) -> ExpandedAnswer:
    """Return what alternatives, wildcards and styles make of the prompts of a request."""
    defaults = services.settings.request_defaults()
    flat = REQUEST_FIELDS.flat(body.root)

    def read() -> ResolvedPrompts:
        given = {**defaults, **served_preset(flat.get("preset")), **flat}
        request = GenerationRequest.parse({name: given[name] for name in _FIELDS if name in given})
        most = services.options.max_pictures
        return services.backend.prompts.resolve(request, most=most)

    resolved = await _read(read)
    request = resolved.request
    made = [PromptsAnswer(**asdict(each)) for each in resolved.prompts]
    if not made:
        own = PromptsAnswer(prompt=request.prompt, negative_prompt=request.negative_prompt)
        made = [own] * request.num_images_per_prompt
    return ExpandedAnswer(seed=request.seed, prompts=made, notices=list(resolved.notices))


async def _read(read: Callable[[], _Result]) -> _Result:
    """Read the disk on another thread. Raises ApiError."""
    try:
        return await asyncio.to_thread(read)
    except SdtuiError as error:
        raise from_sdtui(error) from error
