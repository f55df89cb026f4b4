"""Find IP-Adapters and their image encoders, and read from their headers what they are made for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdtui.core.errors import ModelError, ModelNotFoundError, UnsupportedModelError
from sdtui.core.paths import is_folder
from sdtui.core.settings import Settings
from sdtui.models.checkpoint_file import check_file_kind
from sdtui.models.component_files import read_json, weight_files
from sdtui.models.description import ModelDescription
from sdtui.models.files_by_kind import FileKind, FoundFile, files_of_kind
from sdtui.models.files_by_name import NamedFiles
from sdtui.models.hashing import file_hash
from sdtui.models.headers import TensorInfo, read_header
from sdtui.models.lora_header import family_name
from sdtui.models.other_files import recognised_tensors

_KEYS = re.compile(r"^ip_adapter\.\d+\.to_k_ip\.weight$")
_FAMILY_OF_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_CLASS = "vision_model.embeddings.class_embedding"
_PROJECTION = "visual_projection.weight"
_KNOWN_ENCODERS = {1024: "ViT-L", 1280: "ViT-H", 1664: "ViT-bigG"}
"""The names of CLIP's image encoders by the values of their hidden states."""


@dataclass(frozen=True)
class IPAdapter:
    """An IP-Adapter's file, and what it says about itself."""

    name: str
    path: Path
    tensors: Mapping[str, TensorInfo]

    @property
    def width(self) -> int:
        """Values of a text embedding."""
        return next(info.shape[1] for name, info in self.tensors.items() if _KEYS.fullmatch(name))

    @property
    def layers(self) -> int:
        """How many cross-attentions it has weights for."""
        return sum(_KEYS.fullmatch(name) is not None for name in self.tensors)

    @property
    def family(self) -> str | None:
        """ "sd1", "sd2" or "sdxl"; None if the shapes show none of them."""
        return _FAMILY_OF_WIDTH.get(self.width)

    @property
    def takes_hidden_states(self) -> bool:
        """True if it works with an encoder's hidden states (the plus variants) rather than with
        one embedding of the whole picture."""
        return "image_proj.proj.weight" not in self.tensors

    @property
    def encoder_width(self) -> int:
        """Values of the embedding, or of the hidden states, that it takes."""
        for name, side in (("proj", 1), ("proj_in", 1), ("proj.0", 0)):
            info = self.tensors.get(f"image_proj.{name}.weight")
            if info is not None:
                return info.shape[side]
        return 0

    @property
    def elements(self) -> int:
        """Number of values in its weights."""
        return sum(info.elements for info in self.tensors.values())

    @property
    def sha256(self) -> str:
        """Raises OSError."""
        return file_hash(self.path)

    def check_fits(self, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if it is made for a denoiser of other shapes."""
        config = read_json(description.configs / "unet" / "config.json")
        if self.width != config.get("cross_attention_dim"):
            made_for = family_name(self.family) if self.family else "another model"
            raise UnsupportedModelError(
                f"the IP-Adapter {self.name} is made for {made_for}, and {description.name} "
                f"is {family_name(description.family)}",
                "Use another IP-Adapter, or another model",
            )


@dataclass(frozen=True)
class ImageEncoder:
    """The files of one of CLIP's image encoders."""

    path: Path
    files: tuple[Path, ...]
    tensors: Mapping[str, TensorInfo]

    def gives(self, adapter: IPAdapter) -> bool:
        """True if an IP-Adapter works with what it computes."""
        if adapter.takes_hidden_states:
            return self.tensors[_CLASS].shape[0] == adapter.encoder_width
        projection = self.tensors.get(_PROJECTION)
        return projection is not None and projection.shape[0] == adapter.encoder_width


def open_ip_adapter(found: FoundFile) -> IPAdapter:
    """Read the header of an IP-Adapter's file. Raises UnsafeModelError for a pickle file,
    ModelNotFoundError or ModelDamagedError for an unreadable one, and UnsupportedModelError for
    something else."""
    check_file_kind(found.path)
    tensors = read_header(found.path).tensors
    parts = {name.removeprefix("image_proj.") for name in tensors}
    is_usual = parts & {"proj.weight", "proj.3.weight"}
    if not is_usual and parts & {"perceiver_resampler.proj_in.weight", "norm.weight"}:
        raise UnsupportedModelError(
            f"{found.path} is a FaceID adapter, which needs InsightFace: that can't be used here",
            "Use a plus-face adapter",
        )
    adapter = IPAdapter(found.name, found.path, tensors)
    if not any(map(_KEYS.fullmatch, tensors)) or not adapter.encoder_width:
        kind = recognised_tensors(tensors)
        what = "something else" if kind in (None, "an IP-Adapter") else kind
        raise UnsupportedModelError(
            f"{found.path} is no IP-Adapter of Stable Diffusion, but {what}", "Name another file"
        )
    return adapter


IP_ADAPTERS = NamedFiles(FileKind.IP_ADAPTER, "IP-Adapter", open_ip_adapter)


def find_image_encoder(adapter: IPAdapter, settings: Settings) -> ImageEncoder:
    """Find the image encoder that an IP-Adapter works with: in the folders of such encoders, or in
    the folder `image_encoder` beside the adapter, as the authors publish both. Raises
    ModelNotFoundError."""
    beside = [adapter.path.parent / "image_encoder", adapter.path.parent.parent / "image_encoder"]
    known = [each.path for each in files_of_kind(FileKind.CLIP_VISION, settings)]
    for path in (*known, *filter(is_folder, beside)):
        encoder = _open_encoder(path)
        if encoder is not None and encoder.gives(adapter):
            return encoder
    wanted = "ViT-H" if adapter.encoder_width == 1024 else None
    wanted = wanted or _KNOWN_ENCODERS.get(adapter.encoder_width, "")
    which = f" CLIP's {wanted}, " if wanted else ""
    raise ModelNotFoundError(
        f"the IP-Adapter {adapter.name} needs an image encoder that isn't here,{which}"
        f" with {adapter.encoder_width} values",
        "Put it into one of the setting clip_vision_folders, as a .safetensors file or a folder",
    )


def _open_encoder(path: Path) -> ImageEncoder | None:
    files = weight_files(path) if is_folder(path) else [path]
    try:
        headers = [read_header(file) for file in files]
    except ModelError:
        return None
    tensors = {name: info for header in headers for name, info in header.tensors.items()}
    return ImageEncoder(path, tuple(files), tensors) if _CLASS in tensors else None
