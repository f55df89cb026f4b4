"""Find ControlNets, and read from their headers and configs what they are made for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sdtui.core.errors import (
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.paths import is_folder
from sdtui.models.checkpoint_file import PICKLES, check_file_kind
from sdtui.models.component_files import read_json, weight_files
from sdtui.models.description import ModelDescription
from sdtui.models.files_by_kind import FileKind, FoundFile
from sdtui.models.files_by_name import NamedFiles
from sdtui.models.hashing import file_hash
from sdtui.models.headers import Header, TensorInfo, read_header
from sdtui.models.lora_header import family_name
from sdtui.models.other_files import recognised_tensors

CLASSES = ("ControlNetModel", "ControlNetUnionModel")
"""The classes of diffusers whose folders can be used."""
LDM_PREFIX = "control_model."
"""Before the names of tensors in the layout of the original ControlNet."""
UNION = "task_embedding"
"""A tensor that only nets of several types have."""

_FAMILY_OF_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_CROSS_ATTENTION = re.compile(r"attn2\.to_k\.weight$")
_FIRST_LAYER = re.compile(rf"^({re.escape(LDM_PREFIX)})?(conv_in|input_blocks\.0\.0)\.weight$")
_SDXL = re.compile(r"(^|\.)(add_embedding|label_emb)\.")
_HINT = re.compile(r"(^|\.)(controlnet_cond_embedding\.conv_in|input_hint_block\.0)\.weight$")
_REFUSED = (
    ("a control-LoRA", r"^lora_controlnet$"),
    ("a ControlNet-LLLite", r"^lllite_"),
    ("a T2I-Adapter", r"^adapter\.|^body\.\d+\.(resnets|block1|in_conv)|^encoder\.\d+\.body"),
    ("an IP-Adapter", r"^ip_adapter\.|^image_proj\."),
    ("a ControlNet of another family", r"controlnet_x_embedder|controlnet_blocks|double_blocks"),
    ("a ControlNet of another family", r"control_layers\.|control_all_x_embedder"),
)
_HINTS = {"an IP-Adapter": "Name it with --ip-adapter"}
_HASH_START, _HASH_LENGTH = 0x100000, 0x10000
"""The bytes that A1111's short hash is of (modules/sd_models.py, model_hash)."""


@dataclass(frozen=True)
class ControlNet:
    """A ControlNet's file or folder, and what it says about itself."""

    name: str
    path: Path
    files: tuple[Path, ...]
    """The weights."""
    tensors: Mapping[str, TensorInfo]

    @cached_property
    def width(self) -> int | None:
        """Values of a text embedding, None without cross-attention."""
        found = (info for name, info in self.tensors.items() if _CROSS_ATTENTION.search(name))
        return next((info.shape[1] for info in found if len(info.shape) > 1), None)

    @cached_property
    def family(self) -> str | None:
        """ "sd1", "sd2" or "sdxl"; None if the shapes show none of them."""
        if any(_SDXL.search(name) for name in self.tensors):
            return "sdxl" if self.width in (None, 2048) else None
        return _FAMILY_OF_WIDTH.get(self.width or 0)

    @property
    def channels(self) -> int:
        """Channels of the first block."""
        return self._first_layer.shape[0]

    @property
    def latent_channels(self) -> int:
        return self._first_layer.shape[1]

    @property
    def _first_layer(self) -> TensorInfo:
        return next(info for name, info in self.tensors.items() if _FIRST_LAYER.search(name))

    @property
    def is_union(self) -> bool:
        """True for a net of several types of control pictures."""
        return UNION in self.tensors

    @property
    def types(self) -> int:
        """How many types of control pictures it knows."""
        return self.tensors[UNION].shape[0] if self.is_union else 1

    @property
    def elements(self) -> int:
        """Number of values in its weights."""
        return sum(info.elements for info in self.tensors.values())

    @property
    def sha256(self) -> str:
        """Of its first file. Raises OSError."""
        return file_hash(self.files[0])

    def a1111_name(self) -> str:
        """Return what A1111's extension calls it: its name with a short hash. Raises OSError."""
        with self.files[0].open("rb") as file:
            file.seek(_HASH_START)
            short = hashlib.sha256(file.read(_HASH_LENGTH)).hexdigest()[:8]
        return f"{Path(self.name).name} [{short}]"

    def check_fits(self, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if it is made for a denoiser of other shapes."""
        config = read_json(description.configs / "unet" / "config.json")
        channels = config.get("block_out_channels") or [0]
        wanted = (config.get("cross_attention_dim"), channels[0])
        is_xl = config.get("addition_embed_type") == "text_time"
        has = (self.width or wanted[0], self.channels)
        if has == wanted and any(map(_SDXL.search, self.tensors)) == is_xl:
            return
        made_for = family_name(self.family) if self.family else "another model"
        raise UnsupportedModelError(
            f"the ControlNet {self.name} is made for {made_for}, and {description.name} is "
            f"{family_name(description.family)}",
            "Use another ControlNet, or another model",
        )


def open_controlnet(found: FoundFile) -> ControlNet:
    """Read the headers of a ControlNet's weights.

    Raises UnsafeModelError for pickle files, ModelNotFoundError or ModelDamagedError for unreadable
    ones, and UnsupportedModelError for something else.
    """
    files: Sequence[Path] = (found.path,)
    if is_folder(found.path):
        files = _files_of_folder(found.path)
    else:
        check_file_kind(found.path)
    headers = [read_header(file) for file in files]
    tensors = {name: info for header in headers for name, info in header.tensors.items()}
    _check_kind(found.path, tensors, headers)
    return ControlNet(found.name, found.path, tuple(files), tensors)


def _files_of_folder(folder: Path) -> list[Path]:
    kind = read_json(folder / "config.json").get("_class_name")
    if kind not in CLASSES:
        raise UnsupportedModelError(
            f"{folder} is no ControlNet of SD 1.x, 2.x or SDXL but {kind or 'something else'}",
            "Name another folder",
        )
    files = weight_files(folder)
    if files:
        return files
    if any(each.suffix in PICKLES for each in folder.iterdir()):
        raise UnsafeModelError(
            f"{folder} has pickle files only: loading them could run any code",
            "Get its .safetensors file",
        )
    raise ModelNotFoundError(f"{folder} has no weights", "Download it again")


def _check_kind(path: Path, tensors: Mapping[str, TensorInfo], headers: Sequence[Header]) -> None:
    for kind, pattern in _REFUSED:
        if any(re.search(pattern, name) for name in tensors):
            hint = _HINTS.get(kind, "Use a whole ControlNet of SD 1.x, 2.x or SDXL")
            raise UnsupportedModelError(f"{path} is {kind}, which can't be used here", hint)
    is_whole = any(map(_FIRST_LAYER.search, tensors)) and any(map(_HINT.search, tensors))
    if not is_whole:
        kind = recognised_tensors(tensors) or "something else"
        raise UnsupportedModelError(f"{path} is no ControlNet, but {kind}", "Name another file")


CONTROLNETS = NamedFiles(FileKind.CONTROLNET, "ControlNet", open_controlnet)
