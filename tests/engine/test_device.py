"""The number format chosen for a device by its processor's features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.device import Device, PeakMeter, choose_device, choose_dtype
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models import precision
from sdtui.requests.request import GenerationRequest


@pytest.mark.parametrize(("native", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_engine_uses_the_device_default_dtype(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch, native: bool, dtype: str
) -> None:
    monkeypatch.setattr(precision, "cpu_computes_bfloat16", lambda: native)
    request = GenerationRequest(prompt="a", model=str(tiny_sd1), num_inference_steps=1)
    with StableDiffusionEngine(Settings(device="cpu", previews=False)) as engine:
        assert generate(engine, request).record.dtype == dtype
        assert engine.loaded is not None
        assert str(engine.loaded.denoiser.dtype) == f"torch.{dtype}"


def test_requested_dtype_is_used_and_gpu_defaults_to_float16() -> None:
    assert choose_dtype(Device(torch.device("cpu")), DType.FLOAT16) is DType.FLOAT16
    assert choose_dtype(Device(torch.device("cuda", 0))) is DType.FLOAT16


@pytest.mark.parametrize(("requested", "index"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_cuda_is_initialised_before_its_memory_is_asked(
    monkeypatch: pytest.MonkeyPatch, requested: str, index: int
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "init", lambda: begun.append("init"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: begun.append("reset"))
    device = choose_device(requested)
    PeakMeter(device).start()
    assert device.torch == torch.device("cuda", index)
    assert begun == ["init", "reset"]
