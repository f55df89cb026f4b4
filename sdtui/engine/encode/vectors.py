"""The vectors of embeddings, and putting them in place of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from sdtui.core.errors import ModelDamagedError
from sdtui.core.prompt_syntax import Insertion
from sdtui.models.embeddings import Embedding


class NamedVectors(NamedTuple):
    """An embedding for one text encoder."""

    name: str
    rows: Tensor
    """Vectors x width."""


def read_vectors(embedding: Embedding, widths: Sequence[int]) -> list[NamedVectors]:
    """Return an embedding's vectors for each text encoder of a model that it fits. Raises
    ModelDamagedError."""
    try:
        with safe_open(embedding.path, framework="pt") as file:
            tensors = [file.get_tensor(each.key) for each in embedding.tensors]
    except (OSError, SafetensorError) as error:
        raise ModelDamagedError(
            f"{embedding.path} can't be read: {error}", "Download or copy it again"
        ) from error
    if not all(bool(each.isfinite().all()) for each in tensors):
        raise ModelDamagedError(
            f"the vectors in {embedding.path} are no numbers (NaN)", "Download or copy it again"
        )
    tensors = [each.reshape(-1, each.shape[-1]) for each in tensors]
    if len(tensors) < len(widths):
        tensors = list(tensors[0].split(list(widths), dim=-1))
    return [NamedVectors(embedding.name, each) for each in tensors]


@contextmanager
def inserted(module: Any, rows: Sequence[Sequence[Insertion[NamedVectors]]]) -> Iterator[None]:
    """Put vectors in place of the embedded tokens of a text encoder's next call; one sequence for
    each row of the call. The first token of a row begins it, and isn't counted."""

    def replace_rows(_: Any, args: tuple[Any, ...], embedded: Tensor) -> Tensor:
        for row, insertions in enumerate(rows):
            for start, vectors in insertions:
                end = start + len(vectors.rows)
                embedded[row, start + 1 : end + 1] = vectors.rows.to(embedded)
        return embedded

    if not any(rows):
        yield
        return
    handle = module.get_input_embeddings().register_forward_hook(replace_rows)
    try:
        yield
    finally:
        handle.remove()
