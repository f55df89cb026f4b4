"""The styles and wildcards on this machine's disk."""

from __future__ import annotations

from pathlib import Path

from sdtui.core.settings import Settings
from sdtui.jobs.prompts import MOST_PICTURES, PromptNames, ResolvedPrompts, resolve_prompts
from sdtui.models import FileKind, WildcardFiles, files_of_kind, front_end_roots
from sdtui.requests.request import GenerationRequest
from sdtui.requests.styles import (
    Style,
    default_styles_file,
    delete_style,
    find_styles,
    read_styles,
    save_style,
)


class LocalPrompts:
    """Implements the protocol `Prompts`. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def resolve(self, request: GenerationRequest, *, most: int = MOST_PICTURES) -> ResolvedPrompts:
        return resolve_prompts(
            request,
            lambda names: find_styles(names, self._styles()) if names else (),
            self.wildcards,
            most=most,
        )

    def names(self) -> PromptNames:
        return PromptNames(
            loras=self._files(FileKind.LORA),
            embeddings=self._files(FileKind.EMBEDDING),
            wildcards=tuple(self.wildcards().names()),
            styles=tuple(self._styles()),
        )

    def _files(self, kind: FileKind) -> tuple[str, ...]:
        found = files_of_kind(kind, self._settings)
        return tuple(each.path.stem for each in found if each.path.suffix == ".safetensors")

    def wildcards(self) -> WildcardFiles:
        return WildcardFiles(self._settings)

    def styles(self) -> list[Style]:
        return list(self._styles().values())

    def _styles(self) -> dict[str, Style]:
        roots = front_end_roots(self._settings.model_folders)
        return read_styles([self.styles_file, *(root / "styles.csv" for root in roots)])

    @property
    def styles_file(self) -> Path:
        return self._settings.styles_file or default_styles_file()

    def save_style(self, style: Style) -> None:
        save_style(self.styles_file, style)

    def delete_style(self, name: str) -> None:
        delete_style(self.styles_file, name)
