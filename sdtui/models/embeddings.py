"""Find embeddings (textual inversions), and read what their headers say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdtui.core.errors import ModelError, SdtuiError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models.checkpoint_file import check_file_kind
from sdtui.models.component_files import read_json
from sdtui.models.description import ModelDescription
from sdtui.models.files_by_kind import FileKind, FoundFile, files_of_kind
from sdtui.models.hashing import file_hash
from sdtui.models.headers import Header, TensorInfo, read_header
from sdtui.models.other_files import recognised_tensors

MOST_VECTORS = 75
"""The tokens of a chunk, which an embedding can't go beyond."""

_OF_ENCODERS = ("clip_l", "clip_g")
_ALONE = re.compile(r"emb_params|string_to_param\..+")
_BUNDLED = re.compile(r"bundle_emb\.(.+?)\.(clip_l|clip_g|emb_params|string_to_param\..+)")
_PREFIXED = re.compile(r"\bembedding:([^\s,:()\[\]|<>]+)")
_WORD = re.compile(r"[^\W\d_]+|\d|[^\w\s]|_")


@dataclass(frozen=True)
class Tensor:
    """A tensor of an embedding's file."""

    key: str
    vectors: int
    width: int


@dataclass(frozen=True)
class Embedding:
    """An embedding and where its vectors are."""

    name: str
    """What prompts call it."""
    path: Path
    tensors: tuple[Tensor, ...]
    """One, or one for each text encoder."""
    sha256: str = ""
    """Of the file; empty until a prompt names it."""

    @property
    def vectors(self) -> int:
        """The number of tokens that it takes."""
        return self.tensors[0].vectors

    @property
    def width(self) -> int:
        """The width of its vectors, of all text encoders together."""
        return sum(each.width for each in self.tensors)

    def fits(self, widths: Sequence[int]) -> bool:
        """True for a model whose text encoders have these widths."""
        own = [each.width for each in self.tensors]
        return own == list(widths) or own == [sum(widths)]


def text_widths(description: ModelDescription) -> tuple[int, ...]:
    """Return the widths of a model's text encoders. Raises ModelDamagedError."""
    folders = (description.configs / name for name in ("text_encoder", "text_encoder_2"))
    configs = (read_json(each / "config.json") for each in folders if each.is_dir())
    return tuple(int(config.get("hidden_size", 0)) for config in configs)


def describe_embedding(found: FoundFile) -> Embedding:
    """Read an embedding's header. Raises UnsafeModelError for a pickle file, ModelNotFoundError or
    ModelDamagedError for an unreadable one, and UnsupportedModelError for something else."""
    check_file_kind(found.path)
    header = read_header(found.path)
    tensors = _tensors(header.tensors)
    if not tensors:
        kind = recognised_tensors(header.tensors)
        what = f", but {kind}" if kind and kind != "a textual inversion" else ""
        raise UnsupportedModelError(f"{found.path} is no embedding{what}", "Name another file")
    return Embedding(found.path.stem, found.path, tensors)


def bundled_embeddings(path: Path, header: Header) -> list[Embedding]:
    """Return the embeddings inside a LoRA's file."""
    parts: dict[str, dict[str, str]] = {}
    for key in header.tensors:
        if match := _BUNDLED.fullmatch(key):
            parts.setdefault(match[1], {})[match[2]] = key
    found = []
    for name, keys in parts.items():
        tensors = _tensors({part: header.tensors[key] for part, key in keys.items()})
        full = tuple(Tensor(keys[each.key], each.vectors, each.width) for each in tensors)
        if full:
            found.append(Embedding(name, path, full))
    return found


def _tensors(infos: Mapping[str, TensorInfo]) -> tuple[Tensor, ...]:
    """Return the tensors with vectors; () if the file is no embedding."""
    keys = [key for key in _OF_ENCODERS if key in infos]
    keys = keys or [key for key in infos if _ALONE.fullmatch(key)][:1]
    if not keys and len(infos) == 1:  # diffusers' files: the token and its vectors
        keys = list(infos)
    shapes = [infos[key].shape for key in keys]
    if not all(len(shape) in (1, 2) and all(shape) for shape in shapes):
        return ()
    tensors = tuple(
        Tensor(key, shape[0] if len(shape) > 1 else 1, shape[-1])
        for key, shape in zip(keys, shapes, strict=True)
    )
    return tensors if len({each.vectors for each in tensors}) == 1 else ()


@dataclass(frozen=True)
class InstalledEmbedding:
    """A file in the folders of embeddings."""

    name: str
    path: Path
    embedding: Embedding | None
    """None if it can't be used."""
    problem: str = ""
    """Why it can't be used."""


def installed_embeddings(settings: Settings) -> list[InstalledEmbedding]:
    """Return all embeddings, also those that can't be used."""
    installed = []
    for found in files_of_kind(FileKind.EMBEDDING, settings):
        embedding, problem = None, ""
        try:
            embedding = describe_embedding(found)
        except (ModelError, OSError) as error:
            problem = str(_as_model_error(found, error))
        installed.append(InstalledEmbedding(found.path.stem, found.path, embedding, problem))
    return installed


def _as_model_error(found: FoundFile, error: ModelError | OSError) -> SdtuiError:
    if isinstance(error, SdtuiError):
        return error
    return UnsupportedModelError(f"{found.path} can't be read: {error.strerror}", "Check the file")


def embeddings_in(
    texts: Iterable[str], settings: Settings, bundled: Sequence[Embedding] = ()
) -> tuple[list[Embedding], list[str]]:
    """Return the embeddings whose names prompts contain, and what to tell the user about others.
    `bundled` are those of the LoRAs in use; they come first."""
    texts = list(texts)
    files = sorted(files_of_kind(FileKind.EMBEDDING, settings), key=_is_pickle)
    words = _words_of(texts)
    found = {each.name.casefold(): _hashed(each) for each in bundled if _is_in(each.name, words)}
    notices: dict[str, str] = {}
    for file in files:
        name = file.path.stem
        if name.casefold() in found or not _is_in(name, words):
            continue
        try:
            embedding = _hashed(describe_embedding(file))
        except (ModelError, OSError) as error:
            problem = _as_model_error(file, error)
            notices.setdefault(name.casefold(), f"the embedding {name} was left out: {problem}")
            continue
        found[name.casefold()] = embedding
    known = {*found, *notices}
    missing = [name for name in prefixed_names(texts) if name.casefold() not in known]
    return list(found.values()), [
        *(notice for name, notice in notices.items() if name not in found),
        *(f"there is no embedding {name}: it is read as words" for name in missing),
    ]


def embeddings_named_in(texts: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return those of the names of embeddings that prompts contain."""
    words = _words_of(list(texts))
    return [name for name in names if _is_in(name, words)]


def _words_of(texts: Sequence[str]) -> list[str]:
    """Return the words of each of several prompts."""
    named = prefixed_names(texts)
    return [_words(without_prefixes(text, named)) for text in texts]


def _hashed(embedding: Embedding) -> Embedding:
    return replace(embedding, sha256=file_hash(embedding.path))


def prefixed_names(texts: Iterable[str]) -> list[str]:
    """Return the names that ComfyUI's `embedding:NAME` has in prompts, without folders and
    suffixes."""
    names = (_plain(match[1]) for text in texts for match in _PREFIXED.finditer(text))
    return list(dict.fromkeys(name for name in names if name))


def without_prefixes(text: str, names: Iterable[str]) -> str:
    """Return a prompt in which `embedding:NAME` is the name alone, for these names."""
    known = {name.casefold() for name in names}

    def name(match: re.Match[str]) -> str:
        plain = _plain(match[1])
        return plain if plain.casefold() in known else match[0]

    return _PREFIXED.sub(name, text) if known else text


def _plain(name: str) -> str:
    stem = re.sub(r"\.(safetensors|pt|bin)$", "", name, flags=re.IGNORECASE)
    return stem.replace("\\", "/").rpartition("/")[2].rstrip(".")


def _words(text: str) -> str:
    """Return a text's words as CLIP divides it, each between zero bytes."""
    words = _WORD.findall(text.replace("\\", "").lower())
    return "\0" + "\0".join(words) + "\0"


def _is_in(name: str, texts: Iterable[str]) -> bool:
    words = _words(name)
    return len(words) > 2 and any(words in text for text in texts)


def _is_pickle(file: FoundFile) -> bool:
    return file.path.suffix.lower() != ".safetensors"
