"""Text encoders and VAEs as single files, such as ComfyUI's: what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdtui.core.errors import ModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models.checkpoint_file import check_file_kind
from sdtui.models.files_by_kind import FileKind, files_of_kind
from sdtui.models.gguf_header import GGUF, read_gguf_header
from sdtui.models.headers import Header, read_header
from sdtui.models.number_formats import check_formats, number_format, stays_packed
from sdtui.models.other_files import check_not_split
from sdtui.models.part_kinds import (
    VAE,
    PartKind,
    architecture_of,
    is_of_vision,
    part_kind_of,
    usual_part_name,
)
from sdtui.models.weights import WeightCount, count_weights, is_in_blocks

_VAE_WORDS = {"StableDiffusionXLPipeline": "xl", "StableDiffusion3Pipeline": "sd3"}
"""What the names of VAEs have that look like those of other families, by pipeline."""


@dataclass(frozen=True)
class PartFile:
    """A file with one part of a model."""

    path: Path
    kind: PartKind
    values: Mapping[str, int]
    """What the config has to say about it."""
    count: WeightCount
    format: str
    """The number format of most weights: "Q4_K", "fp8", "bf16" …"""
    size: int
    """Bytes of the weights in the file."""
    stored: int | None
    """Bytes of the weights, where those of layers stay in the format of the file."""
    sees_pictures: bool = False
    """True for a language model with its part for pictures."""

    def fits(self, config: Mapping[str, Any]) -> bool:
        """True if it has the weights of the part with this config."""
        return self.kind.fits(config, self.values)

    def is_for_pipeline(self, pipeline_class: str) -> bool:
        """False for a VAE of another family with the same architecture, which only names tell
        apart: "sdxl_vae", "sd3_vae"."""
        if self.kind.part != VAE:
            return True
        name = re.sub(r"\W|_", "", self.path.stem.lower())
        wanted = _VAE_WORDS.get(pipeline_class)
        return all((word in name) == (word == wanted) for word in _VAE_WORDS.values())

    def order(self) -> tuple[float, str]:
        """The key by which files are sorted, the most precise first."""
        return -self.size / max(1, self.count.total), self.path.name


def read_part_file(path: Path) -> PartFile | None:
    """Read what a file says about the text encoder or VAE in it; None if it holds none that sdtui
    knows.

    Raises ModelDamagedError, ModelNotFoundError, or UnsupportedModelError for number formats that
    can't be read.
    """
    is_gguf = path.suffix.lower() == GGUF
    header = read_gguf_header(path) if is_gguf else read_header(path)
    architecture = architecture_of(header) if is_gguf else ""
    if is_gguf and not architecture:
        return None
    tensors = {usual_part_name(name, architecture): each for name, each in header.tensors.items()}
    kind = part_kind_of(tensors)
    if kind is None:
        return None
    if not is_gguf:
        check_formats(path, header.tensors)
    usual = Header(tensors, {})
    most = number_format(tensors)
    return PartFile(
        path,
        kind,
        kind.values(tensors),
        count_weights([usual]),
        most,
        sum(each.size for each in tensors.values()),
        _stored_bytes(usual) if stays_packed(most, is_gguf=is_gguf) else None,
        any(map(is_of_vision, tensors)),
    )


def _stored_bytes(header: Header) -> int:
    """Return the bytes of weights in memory, where the matrices of repeated blocks stay as they
    are, and others are in two bytes a value."""
    return sum(
        info.size if is_in_blocks(name) and len(info.shape) > 1 else 2 * info.elements
        for name, info in header.tensors.items()
    )


def named_part_files(settings: Settings) -> Iterator[PartFile]:
    """Yield the text encoders and VAEs that the `base_models` of the settings name. Raises the
    errors of `read_part_file`, or UnsupportedModelError for a file of another kind."""
    for path in settings.base_models:
        if path.is_file():
            check_not_split(path)
            file = read_part_file(path)
            if file is None:
                raise UnsupportedModelError(
                    f"{path}, which base_models names, is no text encoder or VAE that sdtui knows",
                    "Name a T5, CLIP, Qwen, Gemma or Llama encoder, a VAE, or a model's folder",
                )
            yield file


def found_part_files(settings: Settings) -> list[PartFile]:
    """Return the text encoders and VAEs in the folders for them, the most precise first. Files that
    can't be used are left out."""
    files = (_read(path) for path in _paths(settings))
    return sorted((each for each in files if isinstance(each, PartFile)), key=PartFile.order)


def unusable_files(settings: Settings) -> list[str]:
    """Return why files in these folders can't be used, a text for each."""
    texts = []
    for path in _paths(settings):
        found = _read(path)
        if isinstance(found, ModelError):
            texts.append(found.what.replace(str(path), path.name))
        elif found is None:
            texts.append(f"{path.name} is no text encoder or VAE that sdtui knows")
    return texts


def _paths(settings: Settings) -> Iterator[Path]:
    for kind in (FileKind.TEXT_ENCODER, FileKind.VAE):
        yield from (each.path for each in files_of_kind(kind, settings))


def _read(path: Path) -> PartFile | ModelError | None:
    try:
        check_file_kind(path)
        check_not_split(path)
        return read_part_file(path)
    except ModelError as error:
        return error
