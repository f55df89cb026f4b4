"""LoRAs of pictures, by the names that they have on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from sdtui.requests.request import GenerationRequest
from sdtui.tui.controllers.local_loras import record_with_local_loras
from tests.support.records import record


def _renamed(
    request: GenerationRequest, _: Mapping[str, str], *, allow_files: bool
) -> tuple[GenerationRequest, list[str]]:
    assert allow_files
    adapters = replace(request.adapters, loras=("mine:0.5",))
    return replace(request, prompt="a cat <lora:mine:1>", adapters=adapters), ["the LoRA b"]


async def test_pictures_are_made_again_with_the_loras_of_this_machine() -> None:
    said: list[str] = []
    context: Any = SimpleNamespace(
        backend=SimpleNamespace(models=SimpleNamespace(with_local_loras=_renamed)),
        notify=lambda text, **_: said.append(text),
    )
    plain = record("a cat")
    assert await record_with_local_loras(context, plain) == plain
    local = await record_with_local_loras(context, record("a cat <lora:theirs:1>"))
    assert local.prompt == "a cat <lora:mine:1>"
    assert local.request.adapters.loras == ("mine:0.5",)
    assert said == ["Left out: the LoRA b."]
