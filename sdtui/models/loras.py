"""Find LoRAs, and read what their headers and the files beside them say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sdtui.core.errors import ModelError, ModelNotFoundError, UnsupportedModelError
from sdtui.core.paths import expanded, is_file
from sdtui.core.settings import Settings
from sdtui.core.text import nearest
from sdtui.models.checkpoint_file import check_file_kind
from sdtui.models.files_by_kind import (
    FileKind,
    FoundFile,
    files_of_kind,
    folders_of_kind,
    names_of_kind,
)
from sdtui.models.folder_search import named
from sdtui.models.hashing import file_hash, tensors_hash
from sdtui.models.headers import Header, read_header
from sdtui.models.lora_header import lora_family, lora_kind, lora_rank, other_content

_PREVIEWS = (".preview.png", ".png", ".jpg", ".jpeg", ".webp", ".preview.jpg", ".preview.webp")
_FREQUENT_TAGS = 6
"""How many of the tags that a LoRA was trained with stand for missing trigger words."""
_LARGEST_NOTES = 1 << 20
"""Bytes of a JSON file beside a LoRA."""
_NO_ALIASES = ("none", "addams")
"""Output names that A1111 doesn't take for a LoRA's name, in lower case."""


@dataclass(frozen=True)
class Lora:
    """A LoRA's file and what it says about itself."""

    name: str
    path: Path
    header: Header
    notes: Mapping[str, Any]
    """Of A1111's NAME.json and the CivitAI helper's NAME.civitai.info, which may be missing."""

    @cached_property
    def family(self) -> str | None:
        """ "sd1", "sdxl", "flux" …; None if it is unknown."""
        return lora_family(self.header)

    @cached_property
    def kind(self) -> str:
        """LoRA, LoHa, LoKr, DoRA or full."""
        return lora_kind(self.header.tensors)

    @cached_property
    def rank(self) -> int | None:
        return lora_rank(self.header)

    @property
    def alias(self) -> str:
        """The name that it was trained under, or that of its file."""
        alias = self.header.metadata.get("ss_output_name", "")
        return self.path.stem if alias.casefold() in ("", *_NO_ALIASES) else alias

    @property
    def base_model(self) -> str:
        """The model that it was trained on, as its trainer or CivitAI name it; may be empty."""
        metadata = self.header.metadata
        said = (self.notes.get("baseModel"), self.notes.get("sd version"))
        trained = (metadata.get("ss_sd_model_name"), metadata.get("ss_base_model_version"))
        return next((str(each) for each in (*said, *trained) if each), "")

    @cached_property
    def trigger_words(self) -> tuple[str, ...]:
        """What prompts should contain: as its author says, else its most frequent tags."""
        said = self.notes.get("trainedWords")
        if isinstance(said, list) and said:
            return tuple(str(each) for each in said)
        phrases = (
            self.notes.get("activation text"),
            self.header.metadata.get("modelspec.trigger_phrase"),
        )
        phrase = next((str(each) for each in phrases if each), "")
        if phrase:
            return tuple(part.strip() for part in phrase.split(",") if part.strip())
        return _frequent_tags(self.header.metadata.get("ss_tag_frequency", ""))

    @property
    def preview(self) -> Path | None:
        """The picture beside the file."""
        places = (self.path.with_name(f"{self.path.stem}{end}") for end in _PREVIEWS)
        return next((each for each in places if is_file(each)), None)

    @property
    def autov2(self) -> str:
        """The first 10 digits of the file's SHA-256. Raises OSError."""
        return file_hash(self.path)[:10]

    @property
    def autov3(self) -> str:
        """The first 12 digits of the SHA-256 of the tensors, which the header may say. Raises
        OSError."""
        said = self.header.metadata.get("sshs_model_hash", "").lower()
        is_hash = len(said) >= 12 and not set(said) - set("0123456789abcdef")
        return (said if is_hash else tensors_hash(self.path))[:12]


@dataclass(frozen=True)
class InstalledLora:
    """A file that is listed as a LoRA."""

    name: str
    path: Path
    lora: Lora | None
    problem: str = ""
    """Why it can't be used."""


def lora_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders in which LoRAs are found; new ones are written to the first."""
    return folders_of_kind(FileKind.LORA, settings)


def describe_lora(found: FoundFile) -> Lora:
    """Read a LoRA's header and notes. Raises UnsafeModelError for a pickle file, ModelNotFoundError
    or ModelDamagedError for an unreadable one, and UnsupportedModelError for something else."""
    check_file_kind(found.path)
    header = read_header(found.path)
    other = other_content(header.tensors)
    if other is not None:
        raise UnsupportedModelError(f"{found.path} is {other}", "Name another file")
    return Lora(found.name, found.path, header, _notes(found.path))


def find_lora(name: str, settings: Settings) -> Lora:
    """Find a LoRA by the path of its file, or as `find_lora_by_name`. Raises the same errors."""
    path = expanded(name)
    if _is_clearly_path(name):
        if not is_file(path):
            raise ModelNotFoundError(f"there is no LoRA {name}", "Check the path")
        return describe_lora(FoundFile(path.stem, path))
    try:
        return find_lora_by_name(name, settings)
    except ModelNotFoundError:
        if is_lora_path(name):
            return describe_lora(FoundFile(path.stem, path))
        raise


def is_lora_path(name: str) -> bool:
    """True if `find_lora` may take a name for the path of a file."""
    path = expanded(name)
    return _is_clearly_path(name) or (bool(path.suffix) and is_file(path))


def _is_clearly_path(name: str) -> bool:
    return expanded(name).is_absolute() or name.startswith(("./", "../"))


def find_lora_by_name(name: str, settings: Settings) -> Lora:
    """Find a LoRA in the folders by its name or its alias; upper and lower case count only where
    both exist.

    Raises ModelNotFoundError with a near name, and the errors of `describe_lora`.
    """
    spelled = list(names_of_kind(FileKind.LORA, settings))
    found = named(name, spelled, lambda each: each.name) or named(name, spelled, _file_name)
    if found is not None:
        return describe_lora(found)
    files = files_of_kind(FileKind.LORA, settings)
    loras = [each.lora for each in _installed(files) if each.lora is not None]
    for spelling in (str, str.casefold):
        aliased = [lora for lora in loras if spelling(lora.alias) == spelling(name)]
        if len(aliased) == 1:
            return aliased[0]
    names = {each.path.stem for each in files} | {lora.alias for lora in loras}
    near = nearest(name, sorted(names))
    hint = f'Did you mean "{near}"?' if near else '"sdtui models --kind lora" lists them'
    if not names:
        hint = "Name the folder of your LoRAs in the setting lora_folders"
    raise ModelNotFoundError(f'there is no LoRA "{name}"', hint)


def _file_name(file: FoundFile) -> str:
    return f"{file.name}{file.path.suffix}"


def installed_loras(settings: Settings) -> list[InstalledLora]:
    """Return all LoRAs, and the files among them that can't be used."""
    return list(_installed(files_of_kind(FileKind.LORA, settings)))


def _installed(files: Iterable[FoundFile]) -> Iterator[InstalledLora]:
    for file in files:
        try:
            yield InstalledLora(file.name, file.path, describe_lora(file))
        except ModelError as error:
            yield InstalledLora(file.name, file.path, None, str(error))


def lora_of_hash(start: str, settings: Settings, likely_name: str = "") -> Lora | None:
    """Return the LoRA whose AutoV2 or AutoV3 hash is this one, or the beginning of it.

    Those of the likely name are hashed first; hashes are kept, so that only new files take time.
    """
    start = start.lower()
    loras = [each.lora for each in installed_loras(settings) if each.lora is not None]
    likely = likely_name.casefold()
    loras.sort(key=lambda lora: likely not in (lora.path.stem.casefold(), lora.alias.casefold()))
    return next((lora for lora in loras if start and has_hash(lora, start)), None)


def has_hash(lora: Lora, start: str) -> bool:
    """True if the LoRA's AutoV2 or AutoV3 hash is this one, or begins like it. Raises OSError."""
    return _agrees(lora.autov3, start) or _agrees(lora.autov2, start)


def _agrees(known: str, start: str) -> bool:
    shared = min(len(known), len(start))
    return shared >= 8 and known[:shared] == start[:shared]


def _notes(path: Path) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    for name in (f"{path.stem}.civitai.info", f"{path.stem}.json"):
        notes |= _json_object(path.with_name(name))
    return notes


def _json_object(path: Path) -> dict[str, Any]:
    try:
        if not is_file(path) or path.stat().st_size > _LARGEST_NOTES:
            return {}
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _frequent_tags(text: str) -> tuple[str, ...]:
    """Return the most frequent tags of kohya's `ss_tag_frequency`: {folder: {tag: count}}."""
    counts: Counter[str] = Counter()
    try:
        folders = json.loads(text or "{}")
        for tags in folders.values():
            counts.update({str(tag).strip(): int(count) for tag, count in tags.items()})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()
    return tuple(tag for tag, _ in counts.most_common(_FREQUENT_TAGS) if tag)
