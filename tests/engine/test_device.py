"""The number format chosen for a device by its processor's features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.device import Device, PeakMeter, choose_device, choose_dtype
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models import precision
from sdtui.requests.request import GenerationRequest
from tests.support.recording_device import RECORDED, RecordingDevice


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
def test_cuda_is_initialised_and_chosen_before_its_memory_is_asked(
    monkeypatch: pytest.MonkeyPatch, requested: str, index: int
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "init", lambda: begun.append("init"))
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: begun.append(str(device)))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: begun.append("reset"))
    device = choose_device(requested)
    PeakMeter(device).start()
    assert device.torch == torch.device("cuda", index)
    assert begun == ["init", f"cuda:{index}", "reset"]


class _Failing(TorchDispatchMode):
    """A device whose every computation fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._error = error

    def __torch_dispatch__(self, *_: Any, **__: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "works"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("HIP error: unspecified launch failure"), False),
        (RuntimeError("Triton Error [CUDA]: unspecified launch failure"), False),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
    ],
)
def test_device_works_unless_it_fails_for_another_reason_than_memory(
    error: Exception, works: bool
) -> None:
    with RecordingDevice():
        assert Device(RECORDED).works()
    with _Failing(error):
        assert Device(RECORDED).works() is works
        assert Device(torch.device("cpu")).works()
