"""The arguments and answers of tools. Arguments of those that make pictures are fields of a request
under their own names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.training.status import TrainingCondition
from sdtui.server.api.native.history import EntryFacts
from sdtui.server.api.native.schemas import GenerateBody

_TEXTS = ("description", "type", "enum", "items")
_LIMITS = ("minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems")
_LARGEST = 2**53
"""Limits above are left out: many clients read numbers as doubles."""
LARGEST_SIDE = 2048
"""Most pixels of a side of a picture in an answer."""
SIDE = 1024
"""Pixels of a side of a picture in an answer: enough to see details, and a fraction of what clients
allow an answer to have."""
_PICTURE = (
    " Give the id of a picture that another tool returned{path}, or the picture itself as base64 or"
    " data URL."
)


class PlacedPicture(BaseModel):
    """A picture and where the client finds it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """For other tools, as the picture to show, edit or upscale."""
    width: int
    height: int
    path: str | None = None
    """Its file, if it is on the client's machine."""
    url: str | None = None
    """Of the whole picture. It needs no key and is valid for an hour."""

    @property
    def uri(self) -> str | None:
        """The address of the whole picture."""
        return self.url if self.path is None else PurePath(self.path).as_uri()


class MadePicture(PlacedPicture):
    """A finished picture."""

    seed: int


class MadeAnswer(BaseModel):
    """What was made."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    pictures: list[MadePicture]
    model: str
    seconds: float
    """Without waiting in the queue."""
    changed: list[str] = []
    """What was changed of the request because memory ran out."""
    warnings: list[str] = []


class ListArguments(BaseModel):
    """What is listed."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    kind: Literal["models", "loras", "upscalers", "samplers", "styles"] = "models"
    """What to list: names that the arguments `model`, `loras`, `upscaler`, `sampler` and `styles`
    take."""


class ListedItem(BaseModel):
    """Something that a request may name."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    family: str | None = None
    """The kind of model that it is, or is made for."""
    is_default: bool | None = None
    is_loaded: bool | None = None
    """True if it is in memory, so that no time is needed for loading it."""
    width: int | None = None
    height: int | None = None
    """The size in pixels that a model works best with."""
    trigger_words: list[str] | None = None
    """Words that a prompt needs for a LoRA."""
    problem: str | None = None
    """Why it can't be used."""


class ListAnswer(BaseModel):
    """What there is."""

    items: list[ListedItem]


class SearchArguments(BaseModel):
    """A search."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    query: str = Field("", max_length=2000)
    """Words of the prompt, and conditions such as model:sdxl, lora:film, seed:42, star:yes,
    tag:best, date>=2026-11-22, size:512x768, steps<30 or -tiger; all must hold. Without a query,
    all pictures."""
    limit: int = Field(10, ge=1, le=50)
    offset: int = Field(0, ge=0, le=2**31)


class FoundPicture(EntryFacts):
    """A picture of the history."""

    id: str
    """For other tools."""


class SearchAnswer(BaseModel):
    """A page of pictures, newest first."""

    total: int
    offset: int
    pictures: list[FoundPicture]


class GetArguments(BaseModel):
    """A picture."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    id: str = Field(max_length=60, coerce_numbers_to_str=True)
    """That another tool returned."""
    side: int = Field(SIDE, ge=64, le=LARGEST_SIDE)
    """Most pixels of a side of the picture that is shown."""


class GetAnswer(PlacedPicture):
    """A picture and how it was made."""

    request: dict[str, Any] = {}
    """The arguments that made it; those that were left open are missing."""


class ListTrainingsArguments(BaseModel):
    """Which trainings are listed."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    name: str | None = Field(None, max_length=100)
    """Of one training; all if it is left out."""


class TrainingSample(BaseModel):
    """A picture that was made during a training, to see how it goes."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """For get_image."""
    step: int
    prompt: str


class ListedTraining(BaseModel):
    """A training of a LoRA."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """When it has finished, also of the LoRA."""
    condition: TrainingCondition
    model: str
    step: int
    steps: int
    """0 before the first step."""
    smoothed: float
    """The loss, smoothed."""
    seconds_left: float | None
    error: str
    samples: list[TrainingSample]
    """The newest."""


class TrainingsAnswer(BaseModel):
    """The trainings."""

    trainings: list[ListedTraining]


def request_schema(
    names: Iterable[str], required: Iterable[str], *, allow_files: bool
) -> dict[str, Any]:
    """Return the JSON schema of arguments that are fields of a request. `allow_files` = pictures
    may be paths of files."""
    whole = GenerateBody.model_json_schema()["properties"]
    path = ", the path of a file" if allow_files else ""
    return {
        "type": "object",
        "properties": {name: _argument(whole[name], name, path) for name in names},
        "required": list(required),
    }


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of arguments or of an answer."""
    return model.model_json_schema()


def _argument(schema: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    """Return the schema of a field without the form's texts, and without null: it may be left
    out."""
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    merged = {**schema, **(options[0] if options else {})}
    kept = {key: merged[key] for key in _TEXTS if merged.get(key) is not None}
    limits = {key: merged[key] for key in _LIMITS if merged.get(key, _LARGEST) < _LARGEST}
    field = REQUEST_FIELDS[name]
    if field.is_file:
        kept["description"] = field.spec.help + _PICTURE.format(path=path)
        kept |= {"items": {"type": "string"}} if field.is_list else {"type": "string"}
    return {**kept, **limits}
