"""The number formats of weights in files, as people call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sdtui.core.errors import UnsupportedModelError
from sdtui.models.headers import TensorInfo

_FLOAT8 = {"F8_E4M3": "fp8", "F8_E5M2": "fp8 (e5m2)"}
_NAMES = {**_FLOAT8, "BF16": "bf16", "F16": "fp16", "F32": "fp32"}
_OTHER_PROGRAMS = (
    # What names of tensors end in, and the format that they go with; the first that fits.
    (
        ("absmax", "quant_map", ".SCB", "bitsandbytes__nf4", "bitsandbytes__fp4"),
        "bitsandbytes",
    ),
    (("qweight", "qzeros", "g_idx"), "GPTQ, AWQ or Nunchaku"),
    (("smooth_factor", "smooth_factor_orig", "wscales", "wtscale"), "Nunchaku (SVDQuant)"),
    (("weight_scale_2",), "nvfp4"),
    (("svd_up", "svd_down"), "SDNQ"),
)
_UNREADABLE = ("U8", "I8", "F4", "I32")
"""Data types of matrices in formats of other programs."""


def number_format(tensors: Mapping[str, TensorInfo]) -> str:
    """Return the format that most values are in."""
    counts: Counter[str] = Counter()
    for info in tensors.values():
        counts[info.dtype] += info.elements
    most = counts.most_common(1)[0][0] if counts else ""
    return _NAMES.get(most, most)


def stays_packed(most: str, *, is_gguf: bool) -> bool:
    """True if the weights of a file in a format stay in it while they are in memory."""
    return is_gguf or most in _FLOAT8.values()


def check_formats(path: Path, tensors: Mapping[str, TensorInfo]) -> None:
    """Raise UnsupportedModelError for weights in formats of other programs."""
    for endings, program in _OTHER_PROGRAMS:
        name = next((each for each in tensors if each.endswith(endings)), None)
        if name is not None:
            raise UnsupportedModelError(
                f"{path} has weights in the number format of {program}, which sdtui can't read",
                _HINT,
            )
    for name, info in tensors.items():
        is_matrix = name.endswith(".weight") and len(info.shape) > 1
        if is_matrix and info.dtype.startswith(_UNREADABLE):
            raise UnsupportedModelError(
                f"{path} has weights in a number format that sdtui can't read ({name}: "
                f"{info.dtype})",
                _HINT,
            )


_HINT = "Get this model in bf16, fp8 or as GGUF; --quantize stores it in fewer bits"
