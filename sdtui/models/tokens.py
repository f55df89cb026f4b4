"""Count the tokens of a prompt and find the words that a text encoder won't see.

Needs neither torch nor the loaded model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sdtui.core.errors import ModelDamagedError
from sdtui.core.text import one_line
from sdtui.core.text_files import decode_text, split_lines
from sdtui.models.catalog import ModelSource
from sdtui.models.component_files import CONFIGS, read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

_BPE: Any = {"end_of_word_suffix": "</w>", "unk_token": "<|endoftext|>"}
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


class Token(NamedTuple):
    """A token and where it stands in the text."""

    id: int
    start: int
    end: int


class TokenCounter:
    """Counts tokens with the tokenizer of one text encoder."""

    def __init__(self, tokenizer: Tokenizer, limit: int) -> None:
        self._tokenizer = tokenizer
        self.limit = limit

    @classmethod
    def restored(cls, limit: int, own_tokenizer: str | None) -> TokenCounter:
        """Return the counter that has this `limit` and this `own_tokenizer`."""
        from tokenizers import Tokenizer

        if own_tokenizer is None:
            return cls(_bundled_tokenizer(), limit)
        return cls(Tokenizer.from_str(own_tokenizer), limit)

    @property
    def own_tokenizer(self) -> str | None:
        """The tokenizer's JSON; None for that of CLIP, which nearly all models have."""
        text: str = self._tokenizer.to_str()
        return None if text == _bundled_tokenizer().to_str() else text

    def tokens(self, text: str) -> list[Token]:
        """Return the tokens of a text, without special tokens."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [Token(each, *span) for each, span in zip(encoded.ids, encoded.offsets, strict=True)]

    def count(self, text: str) -> TokenCount:
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        cut_from = offsets[self.limit][0] if len(offsets) > self.limit else None
        return TokenCount(len(offsets), self.limit, cut_from)


def token_counters(path: Path, limit: int | None = None) -> dict[str, TokenCounter]:
    """A counter for every CLIP text encoder of a model, by component name, and for those others
    whose tokenizer is one of the library tokenizers, if the `limit` of their tokens is known.

    `path` is a folder or single file. Raises ModelDamagedError if the files of a tokenizer can't be
    read.
    """
    if not path.is_dir():
        return {"text_encoder": _counter_in(CONFIGS / "tokenizer", 77, special=_CLIP_MARKS)}
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
    return token_counters(source.path or CONFIGS / "tokenizer" / "vocab.json")


def _counter_in(folder: Path, length: Any, *, special: int) -> TokenCounter:
    """A counter from the files in `folder`; `length` includes `special` tokens."""
    from tokenizers import Tokenizer

    try:
        limit = min(int(length), _MAX_LIMIT) - special
        is_clip = special == _CLIP_MARKS
        if is_clip and (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            tokenizer = _clip_tokenizer(_clip_bpe(folder))
        else:
            tokenizer = Tokenizer.from_str(_read_text(folder / "tokenizer.json"))
            tokenizer.no_truncation()
            tokenizer.no_padding()
    except Exception as error:  # the library raises nothing narrower
        raise ModelDamagedError(
            f"the tokenizer in {folder} can't be read: {one_line(str(error))}",
            "Download or copy the model again",
        ) from error
    return TokenCounter(tokenizer, limit)


def _read_text(path: Path) -> str:
    return decode_text(path.read_bytes())


@cache
def _bundled_tokenizer() -> Tokenizer:
    """CLIP's tokenizer, of the bundled files. One for all, since it takes 15 MB."""
    from tokenizers.models import BPE

    folder = CONFIGS / "tokenizer"
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
    return _clip_tokenizer(BPE.from_file(*files, **_BPE))


def _clip_bpe(folder: Path) -> BPE:
    """The byte pairs in a model's files."""
    from tokenizers.models import BPE

    lines = split_lines(_read_text(folder / "merges.txt"))
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    return BPE(
        vocab=json.loads(_read_text(folder / "vocab.json")),
        merges=[(left, right) for left, right in pairs],
        **_BPE,
    )


def _clip_tokenizer(pairs: BPE) -> Tokenizer:
    """CLIP's tokenizer, as transformers builds it.

    White space becomes single spaces, then lower case, split by CLIP's pattern, byte-level BPE
    with `</w>` at the end of words.
    """
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

    tokenizer = Tokenizer(pairs)
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer
