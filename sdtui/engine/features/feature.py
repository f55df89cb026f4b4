"""The interface of a feature of a request."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Generic, TypeVar

import torch
from PIL import Image

from sdtui.core.enums import DType
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.families.family import StepState
from sdtui.engine.finishing import FinishingContext
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Rung
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription, NativeValues
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest

Section = TypeVar("Section")
"""The request's values for a feature, with files opened and defaults filled in. Immutable plain
data; a rung of the ladder may replace it."""


class Feature(Generic[Section]):
    """Hooks of one feature, in the order in which a run calls them. Only `open` is required.
    Features are stateless: everything about a run is in the section."""

    name: ClassVar[str]
    """The key in `Plan.sections`."""
    fields: ClassVar[tuple[str, ...]] = ()
    """Unique names of the request fields that the feature reads and that a model may not
    support."""
    stages: ClassVar[frozenset[Stage]] = frozenset(Stage)
    """The stages whose components `apply` changes; the others don't need it."""
    prepares_once: ClassVar[bool] = False
    """True if `prepare` returns the same for all pictures of a pass: it is called once then."""

    def open(self, request: GenerationRequest) -> Section | None:
        """Return the feature's section, or None if the request doesn't use the feature. Called
        before the model is loaded, so that an invalid file is reported at once.

        Raises an SdtuiError.
        """
        raise NotImplementedError

    # Load

    def check(self, section: Section, description: ModelDescription) -> None:
        """Raise an SdtuiError if the feature's files are made for another model. Called before the
        model is loaded."""

    def native(self, description: ModelDescription) -> Section | None:
        """Return the section for the model's native values, used if the request doesn't set the
        feature. None = there is none."""
        return None

    def supports(self, section: Section, description: ModelDescription) -> bool:
        """False if the feature has no effect on this model: it is then left out, with a notice if
        the request set it."""
        return True

    def for_model(self, section: Section, description: ModelDescription) -> Section:
        """Return the section without what doesn't fit this model."""
        return section

    def memory(self, section: Section, description: ModelDescription, dtype: DType) -> int:
        """Return the bytes of weights that the feature adds to the denoiser."""
        return 0

    def load_key(self, section: Section) -> Hashable:
        """Return a key for permanent changes to the loaded pipeline: the model is reloaded when it
        changes. None = no such changes."""
        return None

    def after_load(self, section: Section, pipeline: Any) -> None:
        """Change a pipeline that was just loaded into main memory. Called if there is a
        `load_key`."""

    def apply(self, section: Section, model: LoadedModel) -> AbstractContextManager[object]:
        """Change the loaded model for the duration of an attempt; undone when the context ends, or
        by `reset`."""
        return nullcontext()

    def notices(self, section: Section, model: LoadedModel) -> Sequence[str]:
        """Return messages for the user about what `apply` did."""
        return ()

    def reset(self, model: LoadedModel) -> None:
        """Undo what `apply` has left for the next run. Called in runs that don't use the
        feature."""

    def native_values(
        self, section: Section, description: ModelDescription, native: NativeValues
    ) -> NativeValues:
        """Return the model's native values, as the previous features have changed them, for what
        the request leaves open."""
        return native

    def size(
        self, section: Section, native: tuple[int, int], multiple: int
    ) -> tuple[int, int] | None:
        """Return width and height in pixels, multiples of `multiple`, where the request leaves both
        open. None = `native`, the model's own."""
        return None

    # Encode

    def embedding_key(self, section: Section, pass_: Pass) -> Hashable:
        """Return what the embeddings of a pass depend on besides its prompts and the options of
        their encoding, because `apply` changes the model: the section, unless a feature knows
        better. None = nothing."""
        return section

    def before_encoding(self, section: Section, model: LoadedModel, pass_: Pass) -> None:
        """Change the loaded model for the prompts of a pass. Called before they are encoded, unless
        their embeddings are kept from before; what `denoising` needs is its own business."""

    def encode_options(
        self, section: Section, model: LoadedModel, options: EncodeOptions
    ) -> EncodeOptions:
        """Return how prompts are encoded, derived from the options of the previous features. Only
        families with CLIP text encoders use them."""
        return options

    # Passes

    def passes(self, section: Section, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Return the run's passes, derived from those of the previous features. Everything that
        affects the result of a pass must be part of it, since equal passes share latents."""
        return passes

    def prepare(self, section: Section, model: LoadedModel, batch: Batch) -> Mapping[str, object]:
        """Compute what the feature needs while a batch is denoised; the other hooks get it as
        `batch.prepared[self.name]`. Called in the prepare stage, before each pass, and not again if
        the denoising fails. The batch has its `starts`, and the VAE the slices and tiles of the
        plan.

        A tensor has a row for each picture, or one for all: other batches of the same pictures get
        their rows. Other values belong to all pictures.
        """
        return {}

    def attachments(
        self, section: Section, prepared: Mapping[str, object]
    ) -> Mapping[str, Image.Image]:
        """Return pictures to keep beside each finished one, by name, such as "control1"."""
        return {}

    # Denoise

    def arguments(self, section: Section, model: LoadedModel, batch: Batch) -> Mapping[str, Any]:
        """Return additional arguments of the pipeline's call."""
        return {}

    def denoising(
        self,
        section: Section,
        model: LoadedModel,
        batch: Batch,
    ) -> AbstractContextManager[object]:
        """Change the loaded model while a batch is denoised, for example by hooks on its
        denoiser."""
        return nullcontext()

    def on_step(self, section: Section, batch: Batch, state: StepState) -> torch.Tensor | None:
        """Called after every step. May return latents to continue with."""
        return None

    # Decode

    def after_decode(
        self,
        section: Section,
        images: Sequence[Image.Image],
    ) -> Sequence[Image.Image]:
        """Return the finished pictures, changed by the feature."""
        return images

    # Finish

    def given_image(self, section: Section) -> Image.Image | None:
        """Return a picture that is finished in place of those of the passes, which aren't run.
        None = there is none."""
        return None

    def needs_model(self, section: Section) -> bool:
        """True if a given picture is finished with the model of the run."""
        return False

    def finish(
        self, section: Section, image: Image.Image, context: FinishingContext
    ) -> Image.Image:
        """Return a decoded or given picture, changed with the help of models. Called for one
        picture at a time, after `after_decode`."""
        return image

    # Retry ladder and record

    def rungs(self, section: Section) -> tuple[Rung, ...]:
        """Return additional ways to save memory. Lossless rungs come after the engine's own
        lossless ones, the others before its lossy ones."""
        return ()

    def settings(self, section: Section) -> Mapping[str, object]:
        """Return fields of the record's ImageSettings."""
        return {}

    def parents(self, section: Section) -> tuple[str, ...]:
        """Return the SHA-256 hashes of the input pictures, for the record."""
        return ()
