"""Clip skip: embeddings from an earlier layer of the text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.models import ModelDescription
from sdtui.models.ignored import takes_field
from sdtui.requests.request import GenerationRequest


class ClipSkip(Feature[int]):
    """Embeddings from an earlier layer. The section counts as in A1111: 1 = the last layer."""

    name = "clip_skip"
    fields = ("clip_skip",)

    def open(self, request: GenerationRequest) -> int | None:
        """Return the requested layer."""
        return request.encoding.clip_skip

    def native(self, description: ModelDescription) -> int | None:
        """Return the layer that the model was trained on."""
        layer: int | None = description.native.get("clip_skip")
        return layer

    def supports(self, section: int, description: ModelDescription) -> bool:
        """True for SD 1.x and XL."""
        return takes_field(description, "clip_skip")

    def embedding_key(self, section: int, pass_: Pass) -> None:
        """Return None: the layer is one of the options of the encoding."""

    def encode_options(
        self, section: int, model: LoadedModel, options: EncodeOptions
    ) -> EncodeOptions:
        """Set the layer. Raises InvalidRequestError if the text encoder has fewer."""
        layers = model.pipeline.text_encoder.config.num_hidden_layers
        if section > layers:
            message = f"must be at most {layers} for {model.source.name}, not {section}"
            raise InvalidRequestError([Problem("clip_skip", section, message)])
        return replace(options, clip_skip=section)

    def settings(self, section: int) -> Mapping[str, object]:
        """Return the layer for the record."""
        return {"clip_skip": section}
