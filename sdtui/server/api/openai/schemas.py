"""The bodies of generations and edits. Fields that have no effect are listed in the answer."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from sdtui.core.errors import Problem
from sdtui.requests.request import RANDOM_SEED
from sdtui.server.dialects import BOOLS_AS_NUMBERS, body_with_fields, limits_of, names_in
from sdtui.server.errors import ApiError
from sdtui.server.ignored_fields import IgnoredFields

_OPENAI_MODEL = re.compile(r"(dall-e-|gpt-image-|chatgpt-image-)[\w.-]*", re.ASCII)
_NAMES = names_in("openai")
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)
Quality = Literal["low", "medium", "high", "xhigh", "max"]
_QUALITIES: tuple[Quality, ...] = get_args(Quality)
_IGNORED = IgnoredFields(
    harmless=frozenset(("user", "moderation", "metadata", "safety_identifier")),
    defaults={
        "quality": ("auto", "standard"),
        "style": ("vivid",),
        "input_fidelity": ("low",),
    },
)
"""Fields and defaults of OpenAI's reference of images, November 2026."""
_LONGEST_IDENTIFIER = 512
IMAGE = re.compile(r"image(\[\d{0,2}\])?", re.ASCII)
"""The names of the pictures in the form of an edit."""
_VARIATION_STRENGTH = 0.6
"""Lower than that of an edit: without a prompt, more would lose the subject."""
_OTHER_FILES = ("mask", "markup")
_Seed = Annotated[int | None, limits_of("seed", ge=RANDOM_SEED), BOOLS_AS_NUMBERS]


class ImagesBody(body_with_fields("openai", input_images=False)):  # type: ignore[misc]
    """The pictures to generate; seed, steps and the like are additions of sdtui."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="allow",
        json_schema_extra={"examples": [{"prompt": "a red apple", "size": "auto"}]},
    )

    prompt: Annotated[str, limits_of("prompt")]
    seed: _Seed = None
    model: str | None = Field(None, max_length=300)
    """A name from /v1/models; none, or the name of a model of OpenAI = the server's model."""
    n: int | None = Field(1, ge=1, le=10)
    size: str | None = Field(None, max_length=20)
    """WIDTHxHEIGHT, or "auto" = the model's native size."""
    width: Annotated[int | None, limits_of("width"), BOOLS_AS_NUMBERS] = None
    height: Annotated[int | None, limits_of("height"), BOOLS_AS_NUMBERS] = None
    """Of clients that give the sides apart; `size` counts more."""
    response_format: Literal["b64_json", "url"] | None = None
    """Default: b64_json, or url if the model's name is one of DALL-E's, as at OpenAI."""
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: int | None = Field(None, ge=0, le=100)
    """Quality of JPEG and WebP, in percent."""
    background: Literal["auto", "opaque"] | None = None
    quality: str | None = Field(None, max_length=20)
    """Without effect: `steps` decides."""
    stream: bool | None = None
    """True = answer with server-sent events: partial pictures, then each finished one."""
    partial_images: int | None = Field(None, ge=0, le=3)
    """How many partial pictures are sent for each picture."""

    event_kind: ClassVar[str] = "image_generation"
    """The prefix of the events' names."""

    def values(self) -> dict[str, Any]:
        """The values of a GenerationRequest. Raises ApiError (400) for an invalid size."""
        width, height = self._size()
        values = {name: getattr(self, theirs, None) for name, theirs in _NAMES.items()}
        values |= {
            "model": self._model(),
            "num_images_per_prompt": self.n,
            "width": width,
            "height": height,
        }
        return {name: value for name, value in values.items() if value is not None}

    def not_applied(self) -> list[str]:
        """The fields of the request that had no effect."""
        found = {"quality": self.quality, **(self.model_extra or {})}
        given = {"width": self.width, "height": self.height}
        for (name, side), used in zip(given.items(), self._size(), strict=True):
            if side != used:
                found[name] = side
        return _IGNORED.named(found)

    @property
    def answered_quality(self) -> Quality:
        """The quality in answers: as requested if it is one that answers may have."""
        return next((each for each in _QUALITIES if each == self.quality), "high")

    @property
    def identifier(self) -> str | None:
        """Who asks, as the client says it: answers repeat it."""
        given = self.model_extra or {}
        found = given.get("safety_identifier") or given.get("user")
        return found if isinstance(found, str) and len(found) <= _LONGEST_IDENTIFIER else None

    @property
    def wants_links(self) -> bool:
        """True if the answer has URLs in place of the pictures."""
        if self.response_format is None:
            return (self.model or "").startswith("dall-e-")
        return self.response_format == "url"

    def _model(self) -> str | None:
        name = self.model or ""
        return None if not name or _OPENAI_MODEL.fullmatch(name) else name

    def _size(self) -> tuple[int | None, int | None]:
        if not self.size or self.size == "auto":
            return self.width, self.height
        found = _SIZE.fullmatch(self.size)
        if found is None:
            problem = Problem("size", self.size, 'must be WIDTHxHEIGHT, e.g. 512x768, or "auto"')
            raise ApiError(400, "InvalidRequestError", f"{problem}.", problems=[problem])
        return int(found[1]), int(found[2])


class EditBody(body_with_fields("openai", input_images=True), ImagesBody):  # type: ignore[misc]
    """The pictures to generate from a picture."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "a green apple", "size": "auto"}]}
    )

    event_kind: ClassVar[str] = "image_edit"
    prompt: Annotated[str, limits_of("prompt")]
    seed: _Seed = None
    size: str | None = Field(None, max_length=20)
    """WIDTHxHEIGHT, or "auto" = the aspect ratio of the picture, with about as many pixels as the
    model's native size."""

    @model_validator(mode="before")
    @classmethod
    def _without_files(cls, values: Any) -> Any:
        """Leave out the files that the route takes itself, and lists that a form sends open: with
        an empty text. A list may have brackets behind its name, as OpenAI's library writes it."""
        given = {
            name: value
            for name, value in values.items()
            if name not in _OTHER_FILES and not IMAGE.fullmatch(name) and value != [""]
        }
        lists = {
            name.removesuffix("[]"): [value] if isinstance(value, str) else value
            for name, value in given.items()
            if name.endswith("[]") and name.removesuffix("[]") in cls.model_fields
        }
        return {name: given[name] for name in given if name.removesuffix("[]") not in lists} | lists


class VariationBody(EditBody):
    """The pictures to generate that are like a picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"size": "auto"}]})

    event_kind: ClassVar[str] = "image_variation"
    prompt: Annotated[str, limits_of("prompt")] = ""
    """An addition of sdtui."""

    @property
    def wants_links(self) -> bool:
        """True unless base64 is asked for."""
        return self.response_format != "b64_json"

    def values(self) -> dict[str, Any]:
        """The values of a GenerationRequest. Raises ApiError (400) for an invalid size."""
        return {"strength": _VARIATION_STRENGTH, **super().values()}
