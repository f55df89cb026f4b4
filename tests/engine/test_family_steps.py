"""Progress and cancelling of other families."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError
from sdtui.engine.generator import generate
from sdtui.engine.interruptible import blocks_of
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.requests import make_request
from tests.support.tiny_transformers import save_tiny


def test_run_is_cancelled_between_steps_and_nothing_stays_replaced(
    shared_engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    request = make_request(
        save_tiny("pixart", tmp_path / "pixart"), num_inference_steps=8, width=128, height=96
    )
    cancellation, steps = Cancellation(), []

    def cancel_at_two(event: Any) -> None:
        if event.kind == "step":
            steps.append((event.step, event.total))
            if event.step == 2:
                cancellation.stop_now()

    with pytest.raises(CancelledError):
        generate(shared_engine, request, report=cancel_at_two, cancellation=cancellation)
    assert steps == [(1, 8), (2, 8)]
    loaded = shared_engine.loaded
    assert loaded is not None
    assert not loaded.denoiser._forward_pre_hooks
    pipeline = loaded.pipeline
    replaced = [vars(each).keys() for each in (pipeline, pipeline.scheduler, pipeline.vae)]
    assert not {"encode_prompt", "step", "decode", "encode"} & set().union(*replaced)


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae.decoder"])
def test_run_is_cancelled_between_two_blocks(
    shared_engine: StableDiffusionEngine, tmp_path: Path, part: str
) -> None:
    request = make_request(save_tiny("sd3", tmp_path / "sd3"))
    model = shared_engine.load(request.model, request.execution.dtype)
    first, second, *_ = blocks_of(attrgetter(part)(model.pipeline))
    cancellation, calls = Cancellation(), []
    hooks = [
        first.register_forward_hook(lambda *_: cancellation.stop_now()),
        second.register_forward_hook(lambda *_: calls.append(1)),
    ]
    with pytest.raises(CancelledError):
        generate(shared_engine, request, cancellation=cancellation)
    for each in hooks:
        each.remove()
    assert not calls
    assert not any(each._forward_pre_hooks for each in blocks_of(attrgetter(part)(model.pipeline)))
