"""Progress and cancelling for pipelines whose call takes no callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError
from sdtui.engine.generator import generate
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
