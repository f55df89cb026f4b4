"""The tool that lists what requests may name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from sdtui.core.samplers import sampler_labels
from sdtui.server.api.mcp.schemas import ListAnswer, ListArguments, ListedItem
from sdtui.server.api.mcp.tools import ToolAnswer, ToolCall
from sdtui.server.api.native.health import list_models
from sdtui.server.dependencies import ServerServices


async def list_things(call: ToolCall, arguments: Mapping[str, Any]) -> ToolAnswer:
    """List models, or other things that a request may name."""
    wanted = ListArguments.model_validate(arguments)
    items = await asyncio.to_thread(_LISTS[wanted.kind], call.services)
    return ToolAnswer(ListAnswer(items=items))


def _models(services: ServerServices) -> list[ListedItem]:
    return [
        ListedItem(
            name=each.name,
            family=each.family_name,
            is_default=each.is_default,
            is_loaded=each.is_loaded,
            width=each.width,
            height=each.height,
            problem=each.problem,
        )
        for each in list_models(services)
    ]


def _loras(services: ServerServices) -> list[ListedItem]:
    return [
        ListedItem(name=each.name, problem=each.problem)
        if each.lora is None
        else ListedItem(
            name=each.name,
            family=each.lora.family,
            trigger_words=list(each.lora.trigger_words) or None,
        )
        for each in services.backend.models.loras()
    ]


def _upscalers(services: ServerServices) -> list[ListedItem]:
    return [
        ListedItem(name=each.name, problem=each.problem or None)
        for each in services.backend.models.upscalers()
    ]


def _samplers(_: ServerServices) -> list[ListedItem]:
    return [ListedItem(name=each) for each in sampler_labels()]


def _styles(services: ServerServices) -> list[ListedItem]:
    return [ListedItem(name=each.name) for each in services.backend.prompts.styles()]


_LISTS: Mapping[str, Callable[[ServerServices], list[ListedItem]]] = {
    "models": _models,
    "loras": _loras,
    "upscalers": _upscalers,
    "samplers": _samplers,
    "styles": _styles,
}
