"""Count the tokens of a prompt and find the words that a text encoder won't see.

Needs neither torch nor the loaded model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from sdtui.core.errors import ModelDamagedError
from sdtui.core.text import one_line
from sdtui.core.text_files import decode_text
from sdtui.models.catalog import ModelSource
from sdtui.models.clip_tokenizer import ClipTokenizer, Token
from sdtui.models.component_files import CONFIGS, read_json

_BUNDLED = CONFIGS / "tokenizer"
_MAX_LIMIT = 100_000
"""Tokenizers without a limit have a huge number instead."""
_CLIP_MARKS = 2
"""The special tokens around a text of CLIP."""


@dataclass(frozen=True)
class TokenCount:
    """Whether a prompt fits a text encoder."""

    tokens: int
    """Tokens of the text, without special tokens."""
    limit: int
    """Tokens that the encoder takes, without special tokens."""
    cut_from: int | None
    """Index of the first character that the encoder won't see."""


class Tokenizer(Protocol):
    """What divides texts into tokens."""

    def tokens(self, text: str) -> list[Token]:
        """Return the tokens of a text, without special tokens."""
        ...


class LibraryTokenizer:
    """A tokenizer of the library tokenizers."""

    def __init__(self, text: str) -> None:
        """`text` is the JSON of a tokenizer.json. Raises what the library raises: Exception."""
        from tokenizers import Tokenizer as Library

        self.text = text
        self._tokenizer = Library.from_str(text)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def tokens(self, text: str) -> list[Token]:
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [Token(each, *span) for each, span in zip(encoded.ids, encoded.offsets, strict=True)]


@dataclass(frozen=True)
class TokenizerFiles:
    """What a tokenizer is restored from; nothing for that of CLIP, which nearly all models have."""

    library: str | None = None
    """The JSON of one of the library's."""
    merges: str | None = None
    """Of one like CLIP's,"""
    vocabulary: Mapping[str, int] | None = None
    """unless its ids are those of CLIP."""


class TokenCounter:
    """Counts tokens with the tokenizer of one text encoder."""

    def __init__(self, tokenizer: Tokenizer, limit: int) -> None:
        self._tokenizer = tokenizer
        self.limit = limit

    @classmethod
    def restored(cls, limit: int, files: TokenizerFiles) -> TokenCounter:
        """Return the counter that has this `limit` and these `files`."""
        if files.library is not None:
            return cls(LibraryTokenizer(files.library), limit)
        if files.merges is not None:
            return cls(ClipTokenizer(files.merges, files.vocabulary), limit)
        return cls(_bundled_tokenizer(), limit)

    @property
    def files(self) -> TokenizerFiles:
        """What the tokenizer can be restored from."""
        match self._tokenizer:
            case LibraryTokenizer(text=text):
                return TokenizerFiles(library=text)
            case ClipTokenizer() as own if own is not _bundled_tokenizer():
                return TokenizerFiles(merges=own.merges, vocabulary=own.vocabulary)
        return TokenizerFiles()

    def tokens(self, text: str) -> list[Token]:
        """Return the tokens of a text, without special tokens."""
        return self._tokenizer.tokens(text)

    def count(self, text: str) -> TokenCount:
        tokens = self.tokens(text)
        cut_from = tokens[self.limit].start if len(tokens) > self.limit else None
        return TokenCount(len(tokens), self.limit, cut_from)


def token_counters(path: Path, limit: int | None = None) -> dict[str, TokenCounter]:
    """A counter for every CLIP text encoder of a model, by component name, and for those others
    whose tokenizer is one of the library tokenizers, if the `limit` of their tokens is known.

    `path` is a folder or single file. Raises ModelDamagedError if the files of a tokenizer can't be
    read.
    """
    if not path.is_dir():
        return {"text_encoder": _counter_in(_BUNDLED, 77, special=_CLIP_MARKS)}
    counters = {}
    for folder in sorted(path.glob("tokenizer*")):
        config = folder / "tokenizer_config.json"
        settings = read_json(config) if config.is_file() else {}
        encoder = folder.name.replace("tokenizer", "text_encoder")
        if str(settings.get("tokenizer_class", "CLIP")).startswith("CLIP"):
            length = settings.get("model_max_length", 77)
            counters[encoder] = _counter_in(folder, length, special=_CLIP_MARKS)
        elif limit is not None and (folder / "tokenizer.json").is_file():
            counters[encoder] = _counter_in(folder, limit, special=0)
    return counters


def counters_of(source: ModelSource) -> dict[str, TokenCounter]:
    """The counters of a model, or those of CLIP if it isn't downloaded yet."""
    return token_counters(source.path or _BUNDLED / "vocab.json")


def _counter_in(folder: Path, length: Any, *, special: int) -> TokenCounter:
    """A counter from the files in `folder`; `length` includes `special` tokens."""
    try:
        limit = min(int(length), _MAX_LIMIT) - special
        is_clip = special == _CLIP_MARKS
        if is_clip and (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            return TokenCounter(_clip_tokenizer(folder), limit)
        text = _read_text(folder / "tokenizer.json")
        found = ClipTokenizer.from_library(text) if is_clip else None
        tokenizer = LibraryTokenizer(text) if found is None else _same_for_all(found)
        return TokenCounter(tokenizer, limit)
    except Exception as error:  # the library raises nothing narrower
        raise ModelDamagedError(
            f"the tokenizer in {folder} can't be read: {one_line(str(error))}",
            "Download or copy the model again",
        ) from error


def _read_text(path: Path) -> str:
    return decode_text(path.read_bytes())


@cache
def _bundled_tokenizer() -> ClipTokenizer:
    """CLIP's tokenizer, of the bundled files. One for all, since it remembers words."""
    return ClipTokenizer(_read_text(_BUNDLED / "merges.txt"))


def _clip_tokenizer(folder: Path) -> ClipTokenizer:
    """The tokenizer of a model's vocabulary and merges."""
    if folder == _BUNDLED:
        return _bundled_tokenizer()
    vocabulary = json.loads(_read_text(folder / "vocab.json"))
    return _same_for_all(ClipTokenizer(_read_text(folder / "merges.txt"), vocabulary))


def _same_for_all(tokenizer: ClipTokenizer) -> ClipTokenizer:
    """Return the bundled tokenizer if a model's is the same."""
    if not tokenizer.is_usual() or tokenizer.merges != _bundled_tokenizer().merges:
        return tokenizer
    return _bundled_tokenizer()
