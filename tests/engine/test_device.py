"""The number format that is chosen for a device, by what its processor can do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdtui.core.request import DType, GenerationRequest
from sdtui.core.settings import Settings
from sdtui.engine import device
from sdtui.engine.device import Device, choose_dtype, cpu_computes_bfloat16
from sdtui.engine.engine import StableDiffusionEngine

_X86 = "flags\t\t: fpu sse2 avx2 fma avx512f {}\n"
_ARM = "Features\t: fp asimd {} sve\n"


@pytest.mark.parametrize(
    ("text", "native"),
    [
        (_X86.format("avx512_bf16 avx512_fp16"), True),
        (_X86.format("amx_bf16 amx_tile"), True),
        (_X86.format("avx512_vnni"), False),
        (_ARM.format("bf16 i8mm"), True),
        (_ARM.format("i8mm"), False),
        ("", False),
    ],
)
def test_bfloat16_where_the_processor_computes_in_it(
    tmp_path: Path, text: str, native: bool
) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text(f"processor\t: 0\nmodel name\t: A processor with bf16-like name\n{text}")
    assert cpu_computes_bfloat16(information) == native


def test_without_such_a_list_it_is_float32(tmp_path: Path) -> None:
    assert not cpu_computes_bfloat16(tmp_path / "none")


@pytest.mark.parametrize(("native", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_the_engine_takes_it_by_default(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch, native: bool, dtype: str
) -> None:
    monkeypatch.setattr(device, "cpu_computes_bfloat16", lambda: native)
    request = GenerationRequest(prompt="a", model=str(tiny_sd1), num_inference_steps=1)
    with StableDiffusionEngine(Settings(device="cpu", previews=False)) as engine:
        assert engine.generate(request).record.dtype == dtype
        assert engine.loaded is not None
        assert str(engine.loaded.denoiser.dtype) == f"torch.{dtype}"


def test_what_was_asked_for_is_taken_everywhere() -> None:
    assert choose_dtype(Device(torch.device("cpu")), DType.FLOAT16) is DType.FLOAT16
    assert choose_dtype(Device(torch.device("cuda", 0))) is DType.FLOAT16
