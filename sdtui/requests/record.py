"""GenerationRecord: the metadata in the JSON file of every picture."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.core.errors import InvalidRequestError
from sdtui.requests.grids.place import GridPlace
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.requests.validation import validate_fields

SCHEMA_VERSION = 2
"""Raised when a change to the record makes older readers wrong. In version 1 the request had no
sections; such records are read too."""


Timestamp = Annotated[
    AwareDatetime,
    Field(ge=datetime.min.replace(tzinfo=UTC), le=datetime.max.replace(tzinfo=UTC)),
]
"""A time that the calendar has in UTC."""


class Stage(StrEnum):
    """The stages of a run, in order."""

    LOAD = "load"
    ENCODE = "encode"
    PREPARE = "prepare"
    DENOISE = "denoise"
    DECODE = "decode"
    UPSCALE = "upscale"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class Truncation(_Record):
    """Words of a prompt that a text encoder did not see."""

    field: str = Field(description='"prompt" or "negative_prompt".')
    encoder: str = Field(description='Which text encoder, e.g. "text_encoder" or "text_encoder_2".')
    tokens: int = Field(description="Tokens of the whole text, without the two special ones.")
    limit: int = Field(
        description="Most tokens that the encoder takes, without the two special ones."
    )
    start: int = Field(description="Where the cut part begins, in characters.")
    cut: str = Field(description="The words that were cut.")


class PassPlace(_Record):
    """One of a run's passes."""

    number: int = Field(description="1 for the first.")
    count: int = Field(description="How many passes the run has.")
    name: str = Field(
        "", description='What the pass is called, e.g. "hires"; empty for an ordinary first one.'
    )


class AttemptRecord(_Record):
    """An attempt of a run."""

    number: int = Field(description="1 for the first.")
    rung: str | None = Field(
        None,
        description="The rung of the retry ladder that this attempt added; none for the first.",
    )
    changes: str = Field("", description="What the rung changed, in words.")
    lossless: bool = Field(True, description="True if the rung doesn't change the picture.")
    stage: Stage | None = Field(
        None, description="The stage that failed; none if the attempt succeeded."
    )
    error: str | None = Field(None, description="Why it failed; none if the attempt succeeded.")
    of_pass: PassPlace | None = Field(
        None, description="The pass that failed; none outside of passes."
    )
    seconds: float = 0.0


class LoraRecord(_Record):
    """A LoRA that was used."""

    name: str = Field(description="As the prompt or the request names it.")
    autov2: str = Field(description="The first 10 digits of the file's SHA-256.")
    autov3: str = Field(description="The first 12 digits of the SHA-256 of its tensors.")
    te: float = Field(description="The weight for the text encoders.")
    unet: float = Field(description="The weight for the denoiser.")


class EmbeddingRecord(_Record):
    """An embedding that a prompt names."""

    name: str
    sha256: str = Field(description="Of its file.")


class ControlRecord(_Record):
    """A ControlNet that was used."""

    net: str = Field(description="Its name.")
    title: str = Field(description="Its name with A1111's short hash.")
    sha256: str = Field(description="Of its file.")
    image_sha256: str | None = Field(
        None, description="Of the control picture's file; none if it was each redrawn tile."
    )
    entry: str = Field(description="As the request names it, without the picture.")


class IPAdapterRecord(_Record):
    """An IP-Adapter that was used."""

    adapter: str = Field(description="Its name.")
    sha256: str = Field(description="Of its file.")
    image_sha256: str = Field(description="Of the picture's file.")
    entry: str = Field(description="As the request names it, without the picture.")


class Attachment(_Record):
    """A picture that was kept beside a finished one, such as a control map."""

    name: str = Field(description='"control1" for the map of the first ControlNet.')
    file: str = Field(description="The name of its file, in the folder of the picture.")
    sha256: str


class JobPlace(_Record):
    """The job that a picture belongs to. A restarted process finds by it what was made already."""

    id: str
    first: int = Field(
        0, description="Index in the job of this run's first picture: after a restart not 0."
    )


class ImageSettings(_Record):
    """The values that were used for a picture. Those of features are added under the unique names
    of their fields, e.g. `strength`. In pictures of other tools, values may be missing and beyond
    the limits of a request."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="allow")

    sampler: str | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    width: int
    height: int
    batch_size: int | None = 1
    vae_slicing: bool | None = False
    vae_tiling: bool | None = False
    vae_hash: str | None = Field(None, description="SHA-256 of the file of another VAE.")
    upscaler_hash: str | None = Field(None, description="SHA-256 of the upscaler's file.")
    second_upscaler_hash: str | None = None
    hires_upscaler_hash: str | None = None
    speedups: tuple[str, ...] = Field(
        (), description="What the speed preset turned on for this model."
    )
    lora_files: tuple[LoraRecord, ...] = ()
    embedding_files: tuple[EmbeddingRecord, ...] = Field(
        (), description="The textual inversions in either prompt."
    )
    control_units: tuple[ControlRecord, ...] = ()
    ip_adapter_units: tuple[IPAdapterRecord, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _check_features(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        features = REQUEST_FIELDS.keys() & values.keys() - cls.model_fields.keys()
        try:
            checked = validate_fields(REQUEST_FIELDS, {name: values[name] for name in features})
        except InvalidRequestError as error:
            raise ValueError(str(error)) from error
        return {**values, **checked}

    def field_values(self) -> dict[str, Any]:
        """The values of fields of a request, by their unique names. None means that the model
        doesn't take the field of a feature; values that are unknown are left out."""
        unknown = {name for name in type(self).model_fields if getattr(self, name) is None}
        return {name: value for name, value in self if name in REQUEST_FIELDS.keys() - unknown}


class ModelRecord(_Record):
    """The model of a picture."""

    name: str = Field(description="As the request names it.")
    source: str = Field(description="Hub id, or the path it was loaded from.")
    family: str = Field(description='"sd1", "sd2", "sdxl", … or the pipeline\'s class name.')
    hash: str | None = Field(
        None,
        description=(
            "SHA-256 of the denoiser's weights (of the whole file for a single-file checkpoint)."
        ),
    )
    prediction_type: str | None = None
    completed_by: str | None = Field(
        None,
        description="Of a file of a denoiser alone: the model that its other parts come from.",
    )
    part_files: dict[str, str] = Field(
        {}, description="Components that come from files of their own, with their names."
    )


class MemoryRecord(_Record):
    """Memory of a run, in bytes."""

    device: str = Field(description='"cuda", "mps" or "cpu".')
    estimate: int | None = Field(None, description="The peak that was estimated before the run.")
    peak: int | None = Field(
        None, description="The measured peak; on a CPU, of the process's resident memory."
    )
    total: int | None = None


class ImageRecord(_Record):
    """A finished picture."""

    index: int
    prompt: str | None = Field(
        None, description="None if it is the run's: the pictures of most runs have the same."
    )
    negative_prompt: str | None = Field(None, description="Likewise.")
    seed: int | None = Field(description="None if it is unknown, in a picture of another tool.")
    variation_seed: int | None = Field(None, description="None without variation.")
    width: int
    height: int
    path: str | None = None
    sha256: str | None = Field(None, description="Of the picture file when it was written.")
    attachments: tuple[Attachment, ...] = ()


class GenerationRecord(_Record):
    """A request and its result."""

    schema_version: int = SCHEMA_VERSION
    prompt: str
    negative_prompt: str = ""
    timestamp: Timestamp = Field(
        description="When the run began, with its time zone; for a picture of another tool, the "
        "time of its file."
    )
    success: bool
    cancelled: bool = False
    error: str | None = None
    seed: int | None = Field(
        description="Of the first picture; in a picture's own record, that picture's. None if it "
        "is unknown, in a picture of another tool."
    )
    generation_time: float | None = Field(
        None,
        description="Seconds from start to end, with loading. None if they are unknown, in a "
        "picture of another tool.",
    )
    request: GenerationRequest
    settings: ImageSettings | None = Field(
        None, description="None if the run failed before the model was loaded."
    )
    model: ModelRecord | None = None
    other_models: tuple[ModelRecord, ...] = Field(
        (), description="Those of later passes: of hires, and the refiner."
    )
    device: str = ""
    dtype: DType | None = None
    memory_mode: MemoryMode | None = None
    quantize: Quantize = Field(
        Quantize.NONE, description="How weights were stored in fewer bits than those of the dtype."
    )
    attempts: tuple[AttemptRecord, ...] = ()
    timings: dict[str, float] = Field(default_factory=dict, description="Seconds by stage.")
    load_timings: dict[str, float] = Field(
        default_factory=dict,
        description="Seconds by component, if the model was loaded for this run.",
    )
    memory: MemoryRecord | None = None
    truncations: tuple[Truncation, ...] = ()
    notices: tuple[str, ...] = Field((), description="Other messages for the user about this run.")
    parents: tuple[str, ...] = Field((), description="SHA-256 of the input image files.")
    images: tuple[ImageRecord, ...] = ()
    job: JobPlace | None = Field(
        None, description="The job that made it; none in pictures of other tools and sheets."
    )
    grid: GridPlace | None = Field(
        None, description="The place in a grid; of a sheet, the grid that it shows."
    )
    owner: str = Field(
        "", description="The name of the API key with which a server was asked for it; else empty."
    )
    versions: dict[str, str] = Field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return the flat values of the first picture: those of the request, with open ones
        resolved and with the changes of the retry ladder."""
        made = self.settings.field_values() if self.settings else {}
        prompts = {"prompt": self.prompt, "negative_prompt": self.negative_prompt, "styles": ()}
        of_picture = {"seed": self.seed, "num_images_per_prompt": 1}
        return {**self.request.values(), **made, **prompts, **of_picture}

    @property
    def lora_hashes(self) -> dict[str, str]:
        """The AutoV3 hashes of the LoRAs by their names in the request."""
        return (
            {each.name: each.autov3 for each in self.settings.lora_files} if self.settings else {}
        )

    @property
    def prompt_template(self) -> str:
        """The prompt as it was written, if alternatives, wildcards or styles made another one of
        it; else ""."""
        return "" if self.request.prompt == self.prompt else self.request.prompt

    @property
    def negative_prompt_template(self) -> str:
        """The same of the negative prompt."""
        negative = self.request.negative_prompt
        return "" if negative == self.negative_prompt else negative

    def of_image(self, index: int) -> Self:
        """Return the record of one picture: `images` holds only that one, and prompts and seeds are
        its own."""
        image = next(image for image in self.images if image.index == index)
        own = {"prompt": image.prompt, "negative_prompt": image.negative_prompt}
        prompts = {name: text for name, text in own.items() if text is not None}
        settings = self.settings
        if settings is not None and image.variation_seed is not None:
            settings = settings.model_copy(update={"variation_seed": image.variation_seed})
        update = {"images": (image,), "seed": image.seed, "settings": settings, **prompts}
        return self.model_copy(update=update)
