"""The dtype that "auto" stands for."""

from __future__ import annotations

from pathlib import Path

from sdtui.core.enums import DType

CPU_INFO = Path("/proc/cpuinfo")
"""Linux lists the features of the CPU here."""


def automatic_dtype(*, accelerator: bool) -> DType:
    """The default dtype: fp16 on a GPU, bf16 on a CPU that computes in it, else fp32."""
    if accelerator:
        return DType.FLOAT16
    return DType.BFLOAT16 if cpu_computes_bfloat16() else DType.FLOAT32


def cpu_computes_bfloat16(cpu_info: Path = CPU_INFO) -> bool:
    """True if the CPU has bfloat16 instructions (AVX512-BF16, AMX, or Arm's BF16).

    Emulated bfloat16 is slower than fp32.
    """
    if not cpu_info.is_file():
        return False
    words = set(cpu_info.read_text(errors="replace").split())
    return not words.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
