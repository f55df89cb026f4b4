"""Whether a processor computes in bfloat16, by what it says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.models.precision import cpu_computes_bfloat16

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
def test_bfloat16_is_used_if_the_processor_computes_in_it(
    tmp_path: Path, text: str, native: bool
) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text(f"processor\t: 0\nmodel name\t: A processor with bf16-like name\n{text}")
    assert cpu_computes_bfloat16(information) == native


def test_float32_is_used_without_cpuinfo(tmp_path: Path) -> None:
    assert not cpu_computes_bfloat16(tmp_path / "none")
