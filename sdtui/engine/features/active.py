"""ActiveFeatures: the features that a run uses."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from sdtui.core.enums import DType
from sdtui.core.errors import SdtuiError
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.families.family import StepState
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Rung
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription, NativeValues
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest


def open_sections(
    features: Sequence[Feature[Any]], request: GenerationRequest
) -> Mapping[str, object]:
    """Return the sections of the features that a request uses, by feature name."""
    opened = {feature.name: feature.open(request) for feature in features}
    return {name: section for name, section in opened.items() if section is not None}


def sections_for(
    features: Sequence[Feature[Any]], opened: Mapping[str, object], description: ModelDescription
) -> Mapping[str, object]:
    """Return the sections of a run with one model: the requested ones, else the model's native
    ones, without those that the model doesn't support."""
    sections = {
        feature.name: opened.get(feature.name) or feature.native(description)
        for feature in features
    }
    return {
        feature.name: feature.for_model(sections[feature.name], description)
        for feature in features
        if sections[feature.name] is not None
        and feature.supports(sections[feature.name], description)
    }


def fitting_sections(
    features: Sequence[Feature[Any]], requested: Mapping[str, object], description: ModelDescription
) -> tuple[Mapping[str, object], list[str]]:
    """Return the sections of the passes with another model than the request's, and why others were
    left out: what doesn't fit it may fit the request's."""
    sections = dict(sections_for(features, requested, description))
    reasons = []
    for feature in features:
        if feature.name in sections:
            try:
                feature.check(sections[feature.name], description)
            except SdtuiError as error:
                reasons.append(str(error))
                del sections[feature.name]
    return sections, reasons


@dataclass(frozen=True)
class ActiveFeatures:
    """Calls the hooks of several features, each with its section. The hooks are described in
    Feature."""

    uses: tuple[tuple[Feature[Any], Any], ...] = ()

    @classmethod
    def of(cls, features: Sequence[Feature[Any]], sections: Mapping[str, object]) -> ActiveFeatures:
        """Return the features that have a section, in the order of `features`."""
        return cls(tuple((each, sections[each.name]) for each in features if each.name in sections))

    def check(self, description: ModelDescription) -> None:
        """Raise an SdtuiError for files that are made for another model."""
        for feature, section in self.uses:
            feature.check(section, description)

    def memory(self, description: ModelDescription, dtype: DType) -> int:
        """Return the bytes of all added weights."""
        return sum(feature.memory(section, description, dtype) for feature, section in self.uses)

    def load_key(self) -> Hashable:
        """Return all load keys, by feature name."""
        keys = ((feature.name, feature.load_key(section)) for feature, section in self.uses)
        return tuple((name, key) for name, key in keys if key is not None)

    def after_load(self, pipeline: Any) -> None:
        """Change a freshly loaded pipeline permanently."""
        for feature, section in self.uses:
            if feature.load_key(section) is not None:
                feature.after_load(section, pipeline)

    @contextmanager
    def applied(self, model: LoadedModel, stage: Stage | None = None) -> Iterator[None]:
        """Change the loaded model for the duration of an attempt, or of a stage."""
        with ExitStack() as stack:
            for feature, section in self.uses:
                if stage is None or stage in feature.stages:
                    stack.enter_context(feature.apply(section, model))
            yield

    def notices(self, model: LoadedModel) -> Iterator[str]:
        """Yield the messages for the user about what `applied` did."""
        for feature, section in self.uses:
            yield from feature.notices(section, model)

    def native_values(self, description: ModelDescription) -> NativeValues:
        """Return the model's native values, as the features change them."""
        native = description.native
        for feature, section in self.uses:
            native = feature.native_values(section, description, native)
        return native

    def size(self, native: tuple[int, int], multiple: int) -> tuple[int, int]:
        """Return width and height where the request leaves both open."""
        sizes = (feature.size(section, native, multiple) for feature, section in self.uses)
        return next((size for size in sizes if size is not None), native)

    def embedding_key(self, pass_: Pass) -> Hashable:
        """Return all embedding keys, by feature name."""
        keys = (
            (feature.name, feature.embedding_key(section, pass_)) for feature, section in self.uses
        )
        return tuple((name, key) for name, key in keys if key is not None)

    def before_encoding(self, model: LoadedModel, pass_: Pass) -> None:
        """Change the loaded model for the prompts of a pass."""
        for feature, section in self.uses:
            feature.before_encoding(section, model, pass_)

    def encode_options(self, model: LoadedModel) -> EncodeOptions:
        """Return how prompts are encoded."""
        options = EncodeOptions()
        for feature, section in self.uses:
            options = feature.encode_options(section, model, options)
        return options

    def passes(self, first: Pass) -> tuple[Pass, ...]:
        """Return the run's passes, derived from its single pass without features."""
        passes: tuple[Pass, ...] = (first,)
        for feature, section in self.uses:
            passes = feature.passes(section, passes)
        return passes

    def preparing(self) -> Iterator[tuple[Feature[Any], Any]]:
        """Yield the features that prepare something, with their sections."""
        for feature, section in self.uses:
            if type(feature).prepare is not Feature.prepare:
                yield feature, section

    def attachments(self, batch: Batch) -> dict[str, Image.Image]:
        """Return pictures to keep beside the finished ones of a batch that is prepared."""
        found: dict[str, Image.Image] = {}
        for feature, section in self.uses:
            found |= feature.attachments(section, batch.prepared.get(feature.name, {}))
        return found

    def arguments(self, model: LoadedModel, batch: Batch) -> dict[str, Any]:
        """Return additional arguments of the pipeline's call."""
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
        """Return the latents to continue with, or None if unchanged. Each feature receives the
        result of the previous one."""
        changed = None
        for feature, section in self.uses:
            latents = feature.on_step(section, batch, state)
            if latents is not None:
                changed = latents
                state = state.with_latents(latents)
        return changed

    def after_decode(self, images: Sequence[Image.Image]) -> Sequence[Image.Image]:
        """Return the finished pictures, changed by each feature."""
        for feature, section in self.uses:
            images = feature.after_decode(section, images)
        return images

    def finishing(self) -> list[tuple[Feature[Any], Any]]:
        """Return the features that finish pictures, with their sections."""
        return [
            (feature, section)
            for feature, section in self.uses
            if type(feature).finish is not Feature.finish
        ]

    def given_image(self) -> Image.Image | None:
        """Return the picture that is finished in place of those of the passes."""
        given = (feature.given_image(section) for feature, section in self.uses)
        return next((each for each in given if each is not None), None)

    def needs_model(self) -> bool:
        """True if the run can't do without its model."""
        if self.given_image() is None:
            return True
        return self.finish_with_model()

    def finish_with_model(self) -> bool:
        """True if pictures are finished with the run's model."""
        return any(feature.needs_model(section) for feature, section in self.uses)

    def rungs(self) -> tuple[Rung, ...]:
        """Return additional rungs of the retry ladder."""
        return tuple(rung for feature, section in self.uses for rung in feature.rungs(section))

    def settings(self) -> dict[str, object]:
        """Return fields of the record's ImageSettings."""
        fields: dict[str, object] = {}
        for feature, section in self.uses:
            fields |= feature.settings(section)
        return fields

    def parents(self) -> tuple[str, ...]:
        """Return the SHA-256 hashes of the run's input pictures."""
        return tuple(each for feature, section in self.uses for each in feature.parents(section))
