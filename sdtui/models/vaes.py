"""Find VAEs, and check that files are some."""

from __future__ import annotations

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

BESIDE = ".vae.safetensors"
"""The end of the name of a VAE that belongs to the checkpoint beside it, as in A1111."""

_INPUT = ("decoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight")
"""The decoder's first weights, bare and as in a checkpoint: width x latent channels x 3 x 3."""


@dataclass(frozen=True)
class VaeFile:
    """A VAE's file."""

    name: str
    path: Path
    latent_channels: int
    width: int
    """Channels of the decoder's first block."""

    @cached_property
    def sha256(self) -> str:
        """The file's hash. Reads the whole file at the first time."""
        return file_hash(self.path)

    def check_fits(self, description: ModelDescription) -> None:
        """Raise UnsupportedModelError if a model's VAE has another architecture."""
        config = read_json(description.configs / "vae" / "config.json")
        wanted = (config.get("latent_channels"), (config.get("block_out_channels") or [0])[-1])
        if (self.latent_channels, self.width) != wanted:
            raise UnsupportedModelError(
                f"{self.path} is a VAE of {self.latent_channels} channels and {self.width} wide, "
                f"and {description.name} needs one of {wanted[0]} and {wanted[1]}",
                "Use another VAE",
            )


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
    header = read_header(path)
    weights = next((header.tensors[key] for key in _INPUT if key in header.tensors), None)
    if weights is None or len(weights.shape) < 2:
        kind = recognised_tensors(header.tensors)
        raise UnsupportedModelError(
            f"{path} is no VAE{f', but {kind}' if kind else ''}", "Name another file"
        )
    return VaeFile(name, path, weights.shape[1], weights.shape[0])


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
