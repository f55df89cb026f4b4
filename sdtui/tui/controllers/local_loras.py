"""The names that the LoRAs of a picture have on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sdtui.tui.background import run_on_thread
from sdtui.tui.context import AppContext

if TYPE_CHECKING:
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest


async def request_with_local_loras(
    context: AppContext, request: GenerationRequest, hashes: Mapping[str, str]
) -> GenerationRequest:
    """Return a request with the names that its LoRAs have here, found by `hashes`; say which are
    missing."""
    if not request.adapters.loras and "<" not in request.prompt:
        return request
    find = partial(context.backend.models.with_local_loras, request, hashes, allow_files=True)
    request, missing = await run_on_thread(find)
    for each in missing:
        context.notify(f"Left out: {each}.", severity="warning")
    return request


async def record_with_local_loras(
    context: AppContext, record: GenerationRecord
) -> GenerationRecord:
    """Do the same for the record of a picture, from which it is made again."""
    made = replace(record.request, prompt=record.prompt)
    local = await request_with_local_loras(context, made, record.lora_hashes)
    request = replace(record.request, adapters=local.adapters)
    return record.model_copy(update={"prompt": local.prompt, "request": request})
