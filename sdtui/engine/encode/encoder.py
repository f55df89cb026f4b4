"""One CLIP text encoder with its tokenizer."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sdtui.core.prompt_syntax import Chunk, Group, finder, split_chunks
from sdtui.engine.encode.vectors import NamedVectors, inserted
from sdtui.requests.sections.encoding import COMMA_BACKTRACK

_MOST_ROWS = 32
"""Chunks that are encoded at a time."""
_COMMA = ","


@dataclass(frozen=True)
class Output:
    """What a text encoder makes of several texts."""

    hidden: torch.Tensor
    """Texts x chunks x tokens x width."""
    weights: torch.Tensor
    """Texts x chunks x tokens, float32, on the CPU."""
    pooled: torch.Tensor | None
    """Of each text's first chunk, texts x width; None if the encoder has no projection."""


@dataclass(frozen=True)
class ClipEncoder:
    """Encodes the chunks of texts."""

    tokenizer: Any
    module: Any
    device: torch.device
    """Where the pipeline computes."""
    layer: int
    """The layer that is used, counted from the end: 1 = the last."""
    has_norm: bool = True
    """True if the final norm is applied to it."""
    comma_backtrack: int = COMMA_BACKTRACK
    embeddings: Sequence[NamedVectors] = ()

    def chunks(self, groups: Sequence[Group]) -> list[Chunk[NamedVectors]]:
        """Return the chunks of a text."""
        tokens = [[(self._ids(each.text), each.weight) for each in group] for group in groups]
        comma = self._ids(_COMMA)
        return split_chunks(
            tokens,
            size=self._size,
            comma=comma[0] if len(comma) == 1 else None,
            backtrack=self.comma_backtrack,
            find=finder([(self._ids(each.name), len(each.rows), each) for each in self.embeddings]),
        )

    def encode(self, texts: Sequence[Sequence[Chunk[NamedVectors]]], count: int) -> Output:
        """Encode texts, each filled up with empty chunks to `count` of them. Equal chunks are
        encoded once."""
        padded = [[*chunks, *[Chunk[NamedVectors]()] * (count - len(chunks))] for chunks in texts]
        places: dict[Hashable, int] = {}
        rows: list[Chunk[NamedVectors]] = []
        for chunk in (chunk for chunks in padded for chunk in chunks):
            if places.setdefault(_key(chunk), len(rows)) == len(rows):
                rows.append(chunk)
        hidden, pooled = self._encode_rows(rows)
        weights = [
            [[1.0, *chunk.weights, *[1.0] * (self._size + 1 - len(chunk.ids))] for chunk in chunks]
            for chunks in padded
        ]
        index = torch.tensor([[places[_key(chunk)] for chunk in chunks] for chunks in padded]).to(
            hidden.device
        )
        return Output(
            hidden[index],
            torch.tensor(weights, dtype=torch.float32),
            None if pooled is None else pooled[index[:, 0]],
        )

    @property
    def _size(self) -> int:
        """Tokens of a chunk, without those that begin and end it."""
        return int(self.tokenizer.model_max_length) - 2

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(
            text, add_special_tokens=False, truncation=False, verbose=False
        ).input_ids
        return ids

    def _encode_rows(
        self, rows: Sequence[Chunk[NamedVectors]]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the hidden states, rows x tokens x width, and the pooled embeddings."""
        outputs = [
            self._encode_some(rows[start : start + _MOST_ROWS])
            for start in range(0, len(rows), _MOST_ROWS)
        ]
        hidden = torch.cat([hidden for hidden, _ in outputs])
        pooled = [each for _, each in outputs if each is not None]
        return hidden, torch.cat(pooled) if pooled else None

    def _encode_some(
        self, rows: Sequence[Chunk[NamedVectors]]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        tokenizer, module = self.tokenizer, self.module
        begin, end, fill = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        ids = torch.tensor(
            [[begin, *row.ids, end, *[fill] * (self._size - len(row.ids))] for row in rows]
        ).to(self.device)
        mask = None
        if getattr(module.config, "use_attention_mask", False):
            lengths = torch.tensor([[len(row.ids) + 2] for row in rows])
            mask = (torch.arange(ids.shape[1])[None] < lengths).long().to(self.device)
        takes_last = self.has_norm and self.layer == 1
        with inserted(module, [row.insertions for row in rows]):
            output = module(ids, attention_mask=mask, output_hidden_states=not takes_last)
        pooled = getattr(output, "text_embeds", None)
        if takes_last:
            return output.last_hidden_state.to(module.dtype), pooled
        hidden = output.hidden_states[-self.layer]
        if self.has_norm:
            # transformers before 5 keeps the layers in `text_model`.
            layers = getattr(module, "text_model", module)
            hidden = layers.final_layer_norm(hidden).to(module.dtype)
        return hidden, pooled


def _key(chunk: Chunk[NamedVectors]) -> Hashable:
    """Return what the encoding of a chunk depends on."""
    return tuple(chunk.ids), tuple((start, each.name) for start, each in chunk.insertions)
