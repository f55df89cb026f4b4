"""Transformer files: the denoiser of a model alone, as GGUF or .safetensors in any precision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdtui.core.errors import UnsupportedModelError
from sdtui.models.gguf_header import BYTES_OF_FORMATS, read_gguf_header
from sdtui.models.headers import Header, TensorInfo, read_header
from sdtui.models.transformer_kinds import TransformerKind, Value, kind_of, plain_names
from sdtui.models.weights import WeightCount, count_weights

TRANSFORMER = "transformer"
"""The component that these files hold."""
GGUF = ".gguf"
"""The suffix of GGUF files."""
_FLOAT8 = {"F8_E4M3": "fp8", "F8_E5M2": "fp8 (e5m2)"}
_PLAIN = {"BF16": "bf16", "F16": "fp16", "F32": "fp32"}
_OTHER_FORMATS = ("absmax", "quant_map", "SCB", "qweight", "qzeros", "weight_scale_2")
"""What names of tensors end in that go with weights of bitsandbytes, GPTQ and nvfp4."""
_UNREADABLE = ("U8", "I8", "F4")
"""Data types of weights in formats of other programs."""


@dataclass(frozen=True)
class TransformerFile:
    """A file with the transformer of a model."""

    path: Path
    kind: TransformerKind
    values: Mapping[str, Value]
    """What the config has to say about it."""
    count: WeightCount
    format: str
    """The number format of most weights: "Q4_K", "fp8", "bf16" …"""
    stored: int | None
    """Bytes of the weights, where they stay in the format of the file."""


def read_transformer_file(path: Path) -> TransformerFile | None:
    """Read what a file says about the transformer in it; None if it holds no transformer that
    sdtui knows.

    Raises ModelDamagedError, ModelNotFoundError, or UnsupportedModelError for number formats that
    can't be read.
    """
    is_gguf = path.suffix.lower() == GGUF
    header = read_gguf_header(path) if is_gguf else read_header(path)
    tensors = plain_names(header)
    kind = kind_of(tensors)
    if kind is None:
        return None
    number_format = _number_format(tensors)
    if not is_gguf:
        _check_formats(path, tensors)
    stays = is_gguf or number_format in _FLOAT8.values()
    return TransformerFile(
        path,
        kind,
        kind.values(tensors),
        count_weights([Header(tensors, {})]),
        number_format,
        sum(map(_bytes, tensors.values())) if stays else None,
    )


def _bytes(info: TensorInfo) -> int:
    return int(info.elements * BYTES_OF_FORMATS.get(info.dtype, 1))


def _number_format(tensors: Mapping[str, TensorInfo]) -> str:
    """Return the format that most values are in."""
    counts: Counter[str] = Counter()
    for info in tensors.values():
        counts[info.dtype] += info.elements
    most = counts.most_common(1)[0][0] if counts else ""
    return {**_FLOAT8, **_PLAIN}.get(most, most)


def _check_formats(path: Path, tensors: Mapping[str, TensorInfo]) -> None:
    """Raise UnsupportedModelError for weights in formats of other programs."""
    for name, info in tensors.items():
        is_matrix = name.endswith(".weight") and len(info.shape) > 1
        is_unreadable = is_matrix and info.dtype.startswith(_UNREADABLE)
        if is_unreadable or name.endswith(_OTHER_FORMATS):
            raise UnsupportedModelError(
                f"{path} has weights in a number format that sdtui can't read ({name}: "
                f"{info.dtype})",
                "Get this model in bf16, fp8 or as GGUF",
            )
