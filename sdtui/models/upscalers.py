"""Find upscalers: those that need no model, and the files of models that enlarge pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdtui.core.errors import (
    ModelError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.paths import expanded, is_file
from sdtui.core.settings import Settings
from sdtui.core.text import nearest, shortened
from sdtui.core.upscaler_names import BUILT_IN_UPSCALERS, plain_upscaler_name
from sdtui.models.checkpoint_file import PICKLES, check_file_kind
from sdtui.models.files_by_kind import FileKind, FoundFile, files_of_kind
from sdtui.models.files_by_name import only_one
from sdtui.models.folder_search import named
from sdtui.models.headers import read_header
from sdtui.models.other_files import recognised_tensors

USUAL_SCALE = 4
"""Of upscalers whose name doesn't tell it, as A1111 assumes."""

_CHECKPOINT = "model.diffusion_model."
_OTHER_KINDS = frozenset(
    [
        *("a LoRA", "an IP-Adapter", "a ControlNet", "a motion module", "a textual inversion"),
        *("a model of the Flux family", "a model of the SD 3 family", "a text encoder"),
        *("a VAE", "a U-Net alone"),
    ]
)
"""Kinds of files that no upscaler is mistaken for."""

_SCALE = re.compile(r"(?<![a-z0-9])x([1-9])(?!\d)|(?<![a-z0-9])([1-9])x", re.I)
_A1111_NAMES = {
    # extensions and modules/realesrgan_model.py, modules/dat_model.py → the files' own names.
    "R-ESRGAN 4x+": "RealESRGAN_x4plus",
    "R-ESRGAN 4x+ Anime6B": "RealESRGAN_x4plus_anime_6B",
    "R-ESRGAN 2x+": "RealESRGAN_x2plus",
    "R-ESRGAN General 4xV3": "realesr-general-x4v3",
    "R-ESRGAN General WDN 4xV3": "realesr-general-wdn-x4v3",
    "R-ESRGAN AnimeVideo": "realesr-animevideov3",
    "ESRGAN_4x": "ESRGAN",
    "DAT x2": "DAT_x2",
    "DAT x3": "DAT_x3",
    "DAT x4": "DAT_x4",
}


@dataclass(frozen=True)
class InstalledUpscaler:
    """An upscaler that requests may name, or a file that can't be used."""

    name: str
    path: Path | None = None
    """None = it needs no model."""
    scale: int | None = None
    """The factor that its name tells; None = unknown, or any."""
    problem: str = ""
    """Why it can't be used."""


def installed_upscalers(settings: Settings) -> list[InstalledUpscaler]:
    """Return all upscalers, and the files among them that can't be used."""
    built_in = [InstalledUpscaler(name) for name in BUILT_IN_UPSCALERS]
    return [*built_in, *_installed(files_of_kind(FileKind.UPSCALER, settings))]


def _installed(files: Iterable[FoundFile]) -> Iterator[InstalledUpscaler]:
    for file in files:
        problem = ""
        try:
            check_upscaler_file(file.path)
        except ModelError as error:
            problem = str(error)
        yield InstalledUpscaler(file.name, file.path, scale_in_name(file.path.stem), problem)


def scale_in_name(name: str) -> int | None:
    """Return the factor in a name such as "4x-UltraSharp" or "RealESRGAN_x2plus"."""
    found = _SCALE.search(name.replace("_", "-"))
    return int(next(filter(None, found.groups()))) if found else None


def find_upscaler_file(name: str, settings: Settings, *, allow_files: bool = True) -> FoundFile:
    """Find the file of an upscaler by its name in the folders, with or without suffix, by A1111's
    name for it, by its path if `allow_files`, or by a part of its name that only one has.

    Raises ModelNotFoundError with a near name, and the errors of `check_upscaler_file`.
    """
    files = files_of_kind(FileKind.UPSCALER, settings)
    wanted = {plain_upscaler_name(name), plain_upscaler_name(_A1111_NAMES.get(name, name))}
    found = named(name, files, lambda each: each.name) or next(
        (each for each in files if plain_upscaler_name(each.path.stem) in wanted), None
    )
    path = expanded(name)
    if found is None and allow_files and is_file(path):
        found = FoundFile(path.stem, path)
    found = found or only_one(name, files, "upscaler")
    if found is None:
        raise _not_found(name, files)
    check_upscaler_file(found.path)
    return found


def check_upscaler_file(path: Path) -> None:
    """Raise UnsafeModelError for a pickle file, ModelDamagedError for a damaged file, and
    UnsupportedModelError for a file that certainly holds something else. Which architecture it has
    is known when it is loaded."""
    if path.suffix.lower() in PICKLES:
        raise UnsafeModelError(
            f"{path} is a pickle file: loading it could run any code",
            'Get its .safetensors version, or convert it: "sdtui docs pictures" says how',
        )
    check_file_kind(path)
    names = read_header(path).tensors
    kind: str | None
    if any(name.startswith(_CHECKPOINT) for name in names):
        kind = "a checkpoint of Stable Diffusion"
    else:
        kind = recognised_tensors(names)
        kind = kind if kind in _OTHER_KINDS else None
    if kind is not None:
        raise UnsupportedModelError(f"{path} is no upscaler, but {kind}", "Name another file")


def _not_found(name: str, files: Iterable[FoundFile]) -> ModelNotFoundError:
    known = [each.path.stem for each in files]
    near = nearest(name, [*BUILT_IN_UPSCALERS, *known])
    hint = f'Did you mean "{near}"?' if near else '"sdtui models --kind upscaler" lists them'
    if not known and near is None:
        hint = "Name the folder of your upscalers in the setting upscaler_folders"
    return ModelNotFoundError(f'there is no upscaler "{shortened(name)}"', hint)
