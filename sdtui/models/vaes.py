"""Find VAEs, and check that files are some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sdtui.core.errors import ModelError, ModelNotFoundError, UnsupportedModelError
from sdtui.core.paths import expanded, is_file
from sdtui.core.settings import Settings
from sdtui.core.text import nearest, shortened
from sdtui.models.checkpoint_file import check_file_kind
from sdtui.models.component_files import read_json
from sdtui.models.description import ModelDescription
from sdtui.models.files_by_kind import FileKind, FoundFile, files_of_kind
from sdtui.models.folder_search import paths_below
from sdtui.models.hashing import file_hash
from sdtui.models.headers import read_header
from sdtui.models.other_files import recognised_tensors
from sdtui.models.part_files import PartFile, read_part_file
from sdtui.models.part_kinds import VAE

BESIDE = ".vae.safetensors"
"""The end of the name of a VAE that belongs to the checkpoint beside it, as in A1111."""

_INPUT = ("decoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight")
"""The first weights of the decoders of AutoencoderKL and its kin, bare and as in a checkpoint:
width x latent channels x 3 x 3."""


@dataclass(frozen=True)
class VaeFile:
    """A VAE's file."""

    name: str
    path: Path
    part: PartFile
    width: int | None
    """Channels of the decoder's first block; None for VAEs of other architectures."""

    @cached_property
    def sha256(self) -> str:
        """The file's hash. Reads the whole file at the first time."""
        return file_hash(self.path)

    def check_fits(self, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if a model's VAE has another architecture."""
        _, wanted_class = description.components["vae"]
        if wanted_class not in self.part.kind.types:
            raise UnsupportedModelError(
                f"{self.path} is a {self.part.kind.name}, and {description.name} needs an "
                f"{wanted_class}",
                "Use another VAE",
            )
        config = read_json(description.configs / "vae" / "config.json")
        widths = config.get("decoder_block_out_channels") or config.get("block_out_channels")
        found = (*self.part.values.values(), self.width)
        wanted = (
            *(config.get(key) for key in self.part.values),
            widths[-1] if widths and self.width is not None else None,
        )
        if found != wanted:
            raise UnsupportedModelError(
                f"{self.path} is a VAE of {_described(found)}, and {description.name} needs one of "
                f"{_described(wanted)}",
                "Use another VAE",
            )


def _described(sizes: Sequence[int | None]) -> str:
    """Return the sizes of a VAE for a message: the channels of latents and the width."""
    channels, width = sizes
    return f"{channels} channels" + (f" and {width} wide" if width is not None else "")


def vae_files(settings: Settings) -> list[FoundFile]:
    """Return the files in the folders of VAEs, and those beside checkpoints."""
    beside = (
        FoundFile(path.name.removesuffix(".safetensors"), path)
        for folder in settings.model_folders
        for path in paths_below(folder, lambda each: each.name.lower().endswith(BESIDE))
    )
    found = {each.path.resolve(): each for each in beside}
    return [*files_of_kind(FileKind.VAE, settings), *found.values()]


def find_vae(name: str, settings: Settings) -> VaeFile:
    """Find a VAE by its file, or as `find_vae_by_name`. Raises the same errors."""
    path = expanded(Path(name))
    return open_vae(name, path) if is_file(path) else find_vae_by_name(name, settings)


def find_vae_by_name(name: str, settings: Settings) -> VaeFile:
    """Find a VAE in the folders by its name, with or without its suffix. Raises ModelNotFoundError,
    UnsafeModelError for a pickle file, ModelDamagedError, or UnsupportedModelError for a file that
    is no VAE."""
    known = {
        spelling.casefold(): each
        for each in reversed(vae_files(settings))
        for spelling in (each.path.stem, each.path.name, each.name)
    }
    found = known.get(name.casefold())
    if found is None:
        near = nearest(name.casefold(), known)
        also = f'; did you mean "{known[near].name}"?' if near else ""
        raise ModelNotFoundError(
            f'there is no VAE "{shortened(name)}"{also}',
            'Name one of "sdtui models --kind vae", a file, or "none"',
        )
    return open_vae(found.path.name, found.path)


def open_vae(name: str, path: Path) -> VaeFile:
    """Read a VAE's header. Raises like `find_vae`."""
    check_file_kind(path)
    part, tensors = read_part_file(path), read_header(path).tensors
    if part is None or part.kind.part != VAE or not part.values:
        kind = recognised_tensors(tensors)
        raise UnsupportedModelError(
            f"{path} is no VAE{f', but {kind}' if kind else ''}", "Name another file"
        )
    first = next((tensors[key] for key in _INPUT if key in tensors), None)
    return VaeFile(name, path, part, first.shape[0] if first else None)


def sidecar_vae(checkpoint: Path) -> VaeFile | None:
    """Return the VAE that lies beside a checkpoint under its name; None if there is none, or one
    that can't be used."""
    path = checkpoint.with_name(f"{checkpoint.stem}{BESIDE}")
    if not is_file(path):
        return None
    try:
        return open_vae(path.name, path)
    except ModelError:
        return None
