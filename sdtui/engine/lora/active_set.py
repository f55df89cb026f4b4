"""LoraSet: which LoRAs a loaded pipeline has, and how another set comes in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sdtui.core.block_weights import BASE, parse_block_weights
from sdtui.core.errors import UnsupportedModelError
from sdtui.core.prompt_tags import LoraUse
from sdtui.core.text import counted
from sdtui.engine.lora.applied import AppliedLoras, Change, Parameter
from sdtui.engine.lora.blocks import blocks_of_unet
from sdtui.engine.lora.delta import Decomposed, Delta, LowRank, Rows
from sdtui.engine.lora.formats import read_lora
from sdtui.engine.lora.layers import TEXT_ENCODERS, Layers, PlacedDelta, PlacedLora
from sdtui.models.lora_header import family_name

_MOST_UNMATCHED = 0.1
"""The share of a LoRA's layers that the model may lack."""


@dataclass(frozen=True)
class OpenedLora:
    """A LoRA of a request whose file was found."""

    use: LoraUse
    path: Path
    family: str | None
    autov2: str
    autov3: str
    """Its hashes, see `models.loras.Lora`."""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def mention(self) -> str:
        """What the request calls it, without the folders of a path."""
        is_path = self.use.name.startswith((".", "~", "/"))
        return self.name if is_path else self.use.name

    def at(self, step: int) -> OpenedLora:
        """Return the LoRA as it is applied in a step."""
        return self if self.use.is_on(step) else replace(self, use=replace(self.use, unet=0.0))

    @property
    def encoding_key(self) -> tuple[object, ...] | None:
        """What embeddings depend on: None if the text encoders aren't changed."""
        if self.use.te == 0:
            return None
        return self.autov2, self.autov3, self.use.te, self.use.rank, self.use.blocks


class LoraSet:
    """The LoRAs of one loaded pipeline."""

    def __init__(self) -> None:
        self.notices: tuple[str, ...] = ()
        """What the user should know about the current set."""
        self._current: tuple[OpenedLora, ...] = ()
        self._is_checked = True
        """False if the current set may have LoRAs that don't fit."""
        self._applied = AppliedLoras()
        self._layers: Layers | None = None
        """Those of the pipeline, once they are needed."""

    @property
    def names(self) -> list[str]:
        """The names of the current set."""
        return [each.name for each in self._current]

    @torch.no_grad()
    def use(
        self, pipeline: Any, loras: tuple[OpenedLora, ...], *, takes_parts: bool = False
    ) -> None:
        """Make these the pipeline's LoRAs; nothing happens if they are already.

        Raises ModelDamagedError or UnsupportedModelError, with the pipeline unchanged, if one can't
        be read or, unless `takes_parts`, has too many layers that the pipeline lacks.
        """
        if loras == self._current and (takes_parts or self._is_checked):
            return
        if self._layers is None:
            self._layers = Layers(pipeline)
        placed = [(each, self._layers.place(read_lora(each.path))) for each in loras]
        for lora, found in placed if not takes_parts else ():
            _check_fits(lora, found)
        changes = _changes(pipeline, placed)
        self._current, self.notices = (), ()
        self._applied.change(pipeline, changes)
        self._current, self._is_checked = loras, not takes_parts
        self.notices = tuple(_notices(placed))


def _check_fits(lora: OpenedLora, placed: PlacedLora) -> None:
    """Raise UnsupportedModelError if the pipeline lacks too many of a LoRA's layers."""
    if len(placed.unmatched) > _MOST_UNMATCHED * placed.layers or not placed.deltas:
        made_for = f"; it is made for {family_name(lora.family)}" if lora.family else ""
        missing = f"{len(placed.unmatched)} of its {counted(placed.layers, 'layer')}"
        raise UnsupportedModelError(
            f"the LoRA {lora.name} doesn't fit this model, which lacks {missing}{made_for}",
            "Use a LoRA of the model's family",
        )


def _changes(
    pipeline: Any, loras: Iterable[tuple[OpenedLora, PlacedLora]]
) -> Mapping[Parameter, Sequence[Change]]:
    """Return the changes of each parameter by all LoRAs."""
    changes: dict[Parameter, list[Change]] = {}
    for lora, placed in loras:
        weights = _Weights(pipeline, lora.use)
        for each in placed.deltas:
            weight = weights.of(each)
            if weight:
                place = each.place
                parameter = (place.component, place.path, each.attribute)
                delta = _limited(each.delta, lora.use.rank)
                changes.setdefault(parameter, []).append(Change(delta, weight, place.start))
    return changes


class _Weights:
    """How strongly a LoRA is applied to each layer."""

    def __init__(self, pipeline: Any, use: LoraUse) -> None:
        self._use = use
        self._by_block = parse_block_weights(use.blocks) if use.blocks else None
        unet = getattr(pipeline, "unet", None)
        if self._by_block is not None and unet is not None:
            paths = [name for name, _ in unet.named_modules()]
            self._blocks = blocks_of_unet(paths)

    def of(self, placed: PlacedDelta) -> float:
        is_encoder = placed.place.component in TEXT_ENCODERS
        weight = self._use.te if is_encoder else self._use.unet
        if self._by_block is None:
            return weight
        if is_encoder:
            return weight * self._by_block.get(BASE, 0.0)
        if placed.place.component != "unet":
            return weight
        block = self._blocks.get(placed.place.path)
        return weight if block is None else weight * self._by_block.get(block, 0.0)


def _limited(delta: Delta, rank: int | None) -> Delta:
    """Return a delta with its first ranks only, where it is made of ranks."""
    if rank is None:
        return delta
    if isinstance(delta, LowRank):
        return delta.limited(rank)
    if isinstance(delta, Decomposed):
        return Decomposed(_limited(delta.direction, rank), delta.magnitude)
    if isinstance(delta, Rows):
        return Rows(_limited(delta.whole, rank), delta.start, delta.count)
    return delta


def _notices(loras: Iterable[tuple[OpenedLora, PlacedLora]]) -> Iterable[str]:
    for lora, placed in loras:
        if placed.unmatched:
            count = counted(len(placed.unmatched), "layer")
            yield f"{count} of the LoRA {lora.name} don't fit the model and were left out"
