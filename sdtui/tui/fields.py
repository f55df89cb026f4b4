"""The form's fields, made from those of a request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.paths import expanded, is_file, is_folder
from sdtui.core.samplers import sampler_labels
from sdtui.requests.fields import REQUEST_FIELDS, SIZE_MULTIPLE, RequestField

if TYPE_CHECKING:
    from sdtui.requests.request import GenerationRequest

Kind = Literal["text", "model", "choice", "integer", "number", "path"]

_STEPS = {"guidance_scale": 0.5, "width": 64, "height": 64, "strength": 0.05}
_SHORT = {"strength": "Strength", "policy": "Retry"}
_OPEN = {"seed": "random", "init_image": "none", "num_images_per_prompt": "1"}
_NEEDS_INIT_IMAGE = ("strength", "init_image_fit")

_USUAL_SIZES: Mapping[int, tuple[tuple[int, int], ...]] = {
    512: ((640, 512), (768, 512)),
    768: ((1024, 768),),
    1024: ((1152, 896), (1216, 832), (1344, 768)),
}
"""What people ask SD 1.x and 2.x for, and the shapes that SDXL was trained with."""


@dataclass(frozen=True)
class FieldSpec:
    """One field as the form shows it."""

    name: str
    label: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    """The first is "" where the field may be left open."""
    default: str = ""
    minimum: float = 0
    maximum: float = 0
    step: float = 1
    open_text: str = "auto"
    """Shown while the field is left open."""

    def stepped(self, text: str, by: int) -> str:
        """The value `by` steps away, within the limits. From an open field it begins at the
        lower limit, or at the upper one when going down."""
        try:
            value = float(text)
        except ValueError:
            value = self.minimum - self.step if by > 0 else self.maximum + self.step
        # On to the next multiple of a step: 60 becomes 64 and not 124.
        places = round(value / self.step, 6)
        moved = (math.floor(places) + 1 if by > 0 else math.ceil(places) - 1) * self.step
        limited = min(self.maximum, max(self.minimum, moved))
        return str(int(limited)) if self.kind == "integer" else f"{limited:g}"


def field_specs() -> tuple[FieldSpec, ...]:
    """Every field, in the order of the request."""
    return tuple(_spec(name, field) for name, field in REQUEST_FIELDS.items())


def _spec(name: str, field: RequestField) -> FieldSpec:
    value = field.type
    choices: tuple[str, ...] = ()
    kind: Kind = "text"
    if name == "sampler":
        kind, choices = "choice", ("", *sampler_labels())
    elif name == "model":
        kind = "model"
    elif issubclass(value, StrEnum):
        kind, choices = "choice", tuple(str(each) for each in value)
    elif issubclass(value, Path):
        kind = "path"
    elif issubclass(value, int | float):
        kind = "integer" if value is int else "number"
    return FieldSpec(
        name=name,
        label=_SHORT.get(name, field.label),
        kind=kind,
        help=field.help,
        choices=choices,
        default="" if field.default in (None, ...) else str(field.default),
        minimum=field.limits.get("ge", 0),
        maximum=field.limits.get("le", 0),
        step=_STEPS.get(name, 1),
        open_text=_OPEN.get(name, "auto"),
    )


def usual_sizes(side: int) -> list[tuple[int, int]]:
    """Widths and heights for a model whose own pictures are squares of `side` pixels: the square,
    then portrait and landscape. Where no list is usual they have about as many pixels."""
    sizes = [(side, side)]
    for long, short in _USUAL_SIZES.get(side, ()) or (_shaped(side, 4 / 3), _shaped(side, 16 / 9)):
        sizes += [(short, long), (long, short)]
    return sizes


def _shaped(side: int, shape: float) -> tuple[int, int]:
    root = math.sqrt(shape)
    long, short = (round(side * f / SIZE_MULTIPLE) * SIZE_MULTIPLE for f in (root, 1 / root))
    return long, short


def request_values(texts: Mapping[str, str]) -> dict[str, Any]:
    """The texts of a form as GenerationRequest takes them: fields left open are not among them,
    nor are those that only go with an init image when there is none."""
    values: dict[str, Any] = {name: text for name, text in texts.items() if text.strip()}
    if "init_image" not in values:
        for name in _NEEDS_INIT_IMAGE:
            values.pop(name, None)
    else:
        values["init_image"] = expanded(values["init_image"].strip())
    return values


def label_of(name: str) -> str:
    """A field's name as people know it."""
    return REQUEST_FIELDS[name].label if name in REQUEST_FIELDS else name


def parse_form(texts: Mapping[str, str]) -> GenerationRequest:
    """The request that a form asks for. Raises InvalidRequestError."""
    from sdtui.requests.request import GenerationRequest

    values = request_values(texts)
    image = values.get("init_image")
    problems = []
    if image is not None and not is_file(image):
        what = "is no picture but a folder" if is_folder(image) else "isn't there"
        problems = [Problem("init_image", image, f"{image} {what}")]
    try:
        request = GenerationRequest.parse({"prompt": "", **values})
    except InvalidRequestError as error:
        problems += error.problems
    if problems:
        raise InvalidRequestError(problems)
    return request


def problems_of(texts: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a form: field → message. An empty prompt isn't wrong yet."""
    try:
        parse_form({**texts, "prompt": texts.get("prompt", "").strip() or "-"})
    except InvalidRequestError as error:
        return {problem.field: problem.message for problem in error.problems}
    return {}


def form_texts(request: GenerationRequest) -> dict[str, str]:
    """What a form holds to ask for `request`."""
    return {name: _field_text(value) for name, value in request}


def _field_text(value: object) -> str:
    if value is None:
        return ""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
