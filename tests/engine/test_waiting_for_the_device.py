"""A denoising step never waits for the GPU: the next one is queued while it computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdtui.core.settings import Settings
from sdtui.engine.device import Device
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Event
from tests.support.recording_device import RECORDED, RecordingDevice
from tests.support.requests import make_request


def _waits_of_a_step(folder: Path, *, previews: bool) -> list[str]:
    """Return the calls of one step in the middle that would wait. The sampler is one whose steps
    don't wait in diffusers."""
    engine = StableDiffusionEngine(Settings(device="cpu", previews=previews))
    engine.device, engine.threads = Device(RECORDED), None
    request = make_request(folder, sampler="DPM++ 2M Karras", num_inference_steps=5)
    device = RecordingDevice()
    with device:
        steps: list[int] = []

        def report(event: Event) -> None:
            if event.kind == "step":
                steps.append(len(device.waits))

        generate(engine, request, report=report)
    return device.waits[steps[2] : steps[3]]


def test_step_without_previews_waits_for_nothing(tiny_sd1: Path) -> None:
    assert _waits_of_a_step(tiny_sd1, previews=False) == []


def test_preview_waits_for_its_own_copy_at_most(tiny_sd1: Path) -> None:
    (copy,) = _waits_of_a_step(tiny_sd1, previews=True)
    assert "preview.py" in copy


@pytest.mark.parametrize(
    "read", [float, lambda tensor: tensor.cpu(), lambda tensor: tensor.nonzero()]
)
def test_reading_from_the_device_is_recorded(read: object) -> None:
    assert callable(read)
    device = RecordingDevice()
    with device:
        there = torch.ones(1).to(RECORDED, non_blocking=True)
        assert device.waits == []
        read(there * 2)
    assert len(device.waits) == 1
