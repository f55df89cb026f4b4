"""Which number format "auto" means."""

from __future__ import annotations

from pathlib import Path

from sdtui.core.enums import DType

CPU_INFORMATION = Path("/proc/cpuinfo")
"""Where Linux lists what the CPU can do."""


def automatic_dtype(*, accelerator: bool) -> DType:
    """The number format that a device takes by itself: fp16 on a GPU, bf16 on a CPU that computes
    in it, fp32 otherwise."""
    if accelerator:
        return DType.FLOAT16
    return DType.BFLOAT16 if cpu_computes_bfloat16() else DType.FLOAT32


def cpu_computes_bfloat16(information: Path = CPU_INFORMATION) -> bool:
    """Whether the CPU has instructions for bfloat16 (AVX512-BF16, AMX, or Arm's BF16). Emulated,
    it is slower than fp32."""
    if not information.is_file():
        return False
    words = set(information.read_text(errors="replace").split())
    return not words.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
