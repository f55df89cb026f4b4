"""ActiveFeatures: the features that a run uses."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from sdtui.core.enums import DType
from sdtui.engine.embeddings import Embeddings
from sdtui.engine.families.family import StepState
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Rung
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription
from sdtui.requests.request import GenerationRequest


def open_sections(
    features: Sequence[Feature[Any]], request: GenerationRequest
) -> Mapping[str, object]:
    """The sections of those features that a request asks for, by the features' names."""
    opened = {feature.name: feature.open(request) for feature in features}
    return {name: section for name, section in opened.items() if section is not None}


def sections_for(
    features: Sequence[Feature[Any]], opened: Mapping[str, object], description: ModelDescription
) -> Mapping[str, object]:
    """The sections of a run with one model: those that were asked for, else the model's native
    ones, without those that can do nothing for this model."""
    sections = {
        feature.name: opened.get(feature.name) or feature.native(description)
        for feature in features
    }
    return {
        feature.name: sections[feature.name]
        for feature in features
        if sections[feature.name] is not None
        and feature.supports(sections[feature.name], description)
    }


@dataclass(frozen=True)
class ActiveFeatures:
    """Calls the hooks of some features, each with its section. See Feature for the hooks."""

    uses: tuple[tuple[Feature[Any], Any], ...] = ()

    @classmethod
    def of(cls, features: Sequence[Feature[Any]], sections: Mapping[str, object]) -> ActiveFeatures:
        """The features that have a section, in the order of `features`."""
        return cls(tuple((each, sections[each.name]) for each in features if each.name in sections))

    def memory(self, description: ModelDescription, dtype: DType) -> int:
        """Bytes of all weights that are added."""
        return sum(feature.memory(section, description, dtype) for feature, section in self.uses)

    def load_key(self) -> Hashable:
        """All load keys, by the features' names."""
        keys = ((feature.name, feature.load_key(section)) for feature, section in self.uses)
        return tuple((name, key) for name, key in keys if key is not None)

    def after_load(self, pipeline: Any) -> None:
        """Change a pipeline for good."""
        for feature, section in self.uses:
            if feature.load_key(section) is not None:
                feature.after_load(section, pipeline)

    @contextmanager
    def applied(self, model: LoadedModel) -> Iterator[None]:
        """Change the loaded model for the time of an attempt."""
        with ExitStack() as stack:
            for feature, section in self.uses:
                stack.enter_context(feature.apply(section, model))
            yield

    def embedding_key(self, pass_: Pass) -> Hashable:
        """All embedding keys, by the features' names."""
        keys = (
            (feature.name, feature.embedding_key(section, pass_)) for feature, section in self.uses
        )
        return tuple((name, key) for name, key in keys if key is not None)

    def encode(self, model: LoadedModel, pass_: Pass, *, guidance: bool) -> Embeddings | None:
        """The embeddings of the first feature that encodes; None if none does."""
        for feature, section in self.uses:
            made = feature.encode(section, model, pass_, guidance=guidance)
            if made is not None:
                return made
        return None

    def passes(self, first: Pass) -> tuple[Pass, ...]:
        """The run's passes, made of the one that it has without features."""
        passes: tuple[Pass, ...] = (first,)
        for feature, section in self.uses:
            passes = feature.passes(section, passes)
        return passes

    def arguments(self, model: LoadedModel, batch: Batch) -> dict[str, Any]:
        """More arguments of the pipeline's call."""
        arguments: dict[str, Any] = {}
        for feature, section in self.uses:
            arguments |= feature.arguments(section, model, batch)
        return arguments

    @contextmanager
    def denoising(self, model: LoadedModel, batch: Batch) -> Iterator[None]:
        """Change the loaded model while a batch is denoised."""
        with ExitStack() as stack:
            for feature, section in self.uses:
                stack.enter_context(feature.denoising(section, model, batch))
            yield

    def on_step(self, batch: Batch, state: StepState) -> torch.Tensor | None:
        """The latents to go on with; None = as they are. Each feature gets what the one before
        made of them."""
        changed = None
        for feature, section in self.uses:
            made = feature.on_step(section, batch, state)
            if made is not None:
                changed = made
                state = state.with_latents(made)
        return changed

    def after_decode(self, images: Sequence[Image.Image]) -> Sequence[Image.Image]:
        """Change finished pictures."""
        for feature, section in self.uses:
            images = feature.after_decode(section, images)
        return images

    def rungs(self) -> tuple[Rung, ...]:
        """More rungs of the retry ladder."""
        return tuple(rung for feature, section in self.uses for rung in feature.rungs(section))

    def settings(self) -> dict[str, object]:
        """Fields of the record's ImageSettings."""
        fields: dict[str, object] = {}
        for feature, section in self.uses:
            fields |= feature.settings(section)
        return fields

    def parents(self) -> tuple[str, ...]:
        """SHA-256 of the picture files that went into the run."""
        return tuple(each for feature, section in self.uses for each in feature.parents(section))
