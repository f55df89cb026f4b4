"""Transformer files: the denoiser of a model alone (a U-Net, too), as GGUF or .safetensors in any
precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdtui.models.gguf_header import GGUF, read_gguf_header
from sdtui.models.headers import Header, read_header
from sdtui.models.number_formats import check_formats, number_format, stays_packed
from sdtui.models.transformer_kinds import (
    UNET,
    TransformerKind,
    Value,
    is_whole_checkpoint,
    kind_of,
    plain_names,
)
from sdtui.models.weights import WeightCount, count_weights


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
    if kind is None or (kind.component == UNET and is_whole_checkpoint(header)):
        return None
    most = number_format(tensors)
    if not is_gguf:
        check_formats(path, tensors)
    stays = stays_packed(most, is_gguf=is_gguf)
    return TransformerFile(
        path,
        kind,
        kind.values(tensors),
        count_weights([Header(tensors, {})]),
        most,
        sum(each.size for each in tensors.values()) if stays else None,
    )
