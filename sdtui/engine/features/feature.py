"""What a feature of a request can do in a run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Generic, TypeVar

import torch
from PIL import Image

from sdtui.core.enums import DType
from sdtui.engine.embeddings import Embeddings
from sdtui.engine.families.family import StepState
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Rung
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription
from sdtui.requests.request import GenerationRequest

Section = TypeVar("Section")
"""What a request asks of a feature, with files opened and defaults filled in. Plain and frozen: a
rung of the ladder may replace it."""


class Feature(Generic[Section]):
    """Hooks of one feature, in the order in which a run calls them. Only `open` is needed. A
    feature has no state of its own: all it knows of a run is in its section."""

    name: ClassVar[str]
    """As in `Plan.sections`."""
    fields: ClassVar[tuple[str, ...]] = ()
    """The unique names of the request's fields that belong to the feature, if a model may not
    support it."""

    def open(self, request: GenerationRequest) -> Section | None:
        """The feature's section; None if the request doesn't ask for the feature. Called before
        the model is loaded, so that a wrong file is reported at once.

        Raises an SdtuiError.
        """
        raise NotImplementedError

    # Load

    def native(self, description: ModelDescription) -> Section | None:
        """The section that a model brings by its native values; used where the request doesn't
        ask for the feature. None = the model has none."""
        return None

    def supports(self, section: Section, description: ModelDescription) -> bool:
        """False if the feature can do nothing for this model: it is then left out, with a notice
        if the request asked for it."""
        return True

    def memory(self, section: Section, description: ModelDescription, dtype: DType) -> int:
        """Bytes of the weights that the feature adds to the denoiser's."""
        return 0

    def load_key(self, section: Section) -> Hashable:
        """What the feature changes in the loaded pipeline for good: with another key the model is
        loaded again. None = nothing."""
        return None

    def after_load(self, section: Section, pipeline: Any) -> None:
        """Change a pipeline that was just read into main memory, if there is a `load_key`."""

    def apply(self, section: Section, model: LoadedModel) -> AbstractContextManager[object]:
        """Change the loaded model for the time of an attempt; undone when the context ends."""
        return nullcontext()

    # Encode

    def embedding_key(self, section: Section, pass_: Pass) -> Hashable:
        """What the embeddings of a pass depend on beside its prompts. None = nothing."""
        return None

    def encode(
        self, section: Section, model: LoadedModel, pass_: Pass, *, guidance: bool
    ) -> Embeddings | None:
        """Encode the prompts of a pass in place of the family's `encode`; None = don't. Needs an
        `embedding_key`. `guidance` = whether the negative prompt is needed."""
        return None

    # Denoise

    def passes(self, section: Section, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """The run's passes, from those of the features before. All that changes what a pass
        makes must be in it."""
        return passes

    def arguments(self, section: Section, model: LoadedModel, batch: Batch) -> Mapping[str, Any]:
        """More arguments of the pipeline's call."""
        return {}

    def denoising(
        self,
        section: Section,
        model: LoadedModel,
        batch: Batch,
    ) -> AbstractContextManager[object]:
        """Change the loaded model, by hooks on its denoiser for example, while a batch is
        denoised."""
        return nullcontext()

    def on_step(self, section: Section, batch: Batch, state: StepState) -> torch.Tensor | None:
        """Called after every step; may return latents to go on with."""
        return None

    # Decode

    def after_decode(
        self,
        section: Section,
        images: Sequence[Image.Image],
    ) -> Sequence[Image.Image]:
        """Change finished pictures."""
        return images

    # Retry ladder and record

    def rungs(self, section: Section) -> tuple[Rung, ...]:
        """More ways to need less memory. Lossless ones are tried after the engine's own lossless
        ones, the others before its lossy ones."""
        return ()

    def settings(self, section: Section) -> Mapping[str, object]:
        """Fields of the record's ImageSettings."""
        return {}

    def parents(self, section: Section) -> tuple[str, ...]:
        """SHA-256 of the picture files that went into the run, for the record."""
        return ()
