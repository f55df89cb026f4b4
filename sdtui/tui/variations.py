"""Making a picture again with one value changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.sizes import parse_size
from sdtui.tui.fields import FormField, field_text, form_fields, form_texts, parse_form

if TYPE_CHECKING:
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest

_PROMPT_LETTERS = {"prompt": "p", "negative_prompt": "-"}
_SIZE = ("width", "height")
_COUNT = "num_images_per_prompt"


@dataclass(frozen=True)
class Variable:
    """Something that can be changed in a picture."""

    field: FormField
    """Of a size, the width."""
    letter: str
    current: str
    """The picture's value as it is typed; "" if it is unknown."""

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def label(self) -> str:
        match self.name:
            case "width":
                return "Size"
            case "num_images_per_prompt":
                return "More pictures"
        return self.field.label

    @property
    def takes_several(self) -> bool:
        """True if commas separate several values."""
        return self.field.kind != "prompt" and self.name != _COUNT


def variables(record: GenerationRecord) -> tuple[Variable, ...]:
    """Return what can be changed in a picture: what has a letter in the recipe, and its prompts."""
    made = _made(record)
    found = []
    for field in form_fields():
        letter = field.letter or _PROMPT_LETTERS.get(field.name, "")
        needs_init_image = field.name == "strength" and made["init_image"] is None
        names_pictures = field.kind in ("path", "paths") or REQUEST_FIELDS[field.name].spec.entries
        if letter and not names_pictures and not needs_init_image:
            found.append(Variable(field, letter, _current(field, made)))
    return tuple(found)


def _made(record: GenerationRecord) -> dict[str, Any]:
    """Return the values of a picture, with prompts as they are written to get them again."""
    request = picture_request(record)
    return {**record.values(), **{name: getattr(request, name) for name in _PROMPT_LETTERS}}


def _current(field: FormField, made: Mapping[str, Any]) -> str:
    if field.name == "width":
        return f"{made['width']}x{made['height']}"
    return "" if field.name == _COUNT else field_text(made[field.name])


def picture_request(record: GenerationRecord) -> GenerationRequest:
    """Return the request that makes this one picture of its batch again. Seeds stay open if they
    are unknown."""
    from sdtui.core.dynamic_prompts.parser import literal

    request = record.request
    noise = replace(request.noise, variation_seed=record.values()["variation_seed"])
    prompt, negative_prompt = record.prompt, record.negative_prompt
    if request.takes_dynamic_prompts:
        prompt = literal(prompt, request.prompt)
        negative_prompt = literal(negative_prompt, request.negative_prompt)
    return replace(
        request,
        prompt=prompt,
        negative_prompt=negative_prompt,
        templates=replace(request.templates, styles=()),
        seed=record.seed,
        noise=noise,
        num_images_per_prompt=1,
    )


def with_new_seed(record: GenerationRecord, count: int = 1) -> GenerationRequest:
    """Return the request for pictures like this one with other seeds."""
    request = picture_request(record)
    noise = replace(request.noise, variation_seed=None)
    return replace(request, seed=None, noise=noise, num_images_per_prompt=count)


def variations(
    record: GenerationRecord, variable: Variable, text: str
) -> tuple[GenerationRequest, ...]:
    """Return the requests that make a picture again with each of the values in `text`.

    An empty seed is a new one, and the number of pictures asks for so many with new seeds. Raises
    InvalidRequestError if a value is wrong, or if none is another than the picture's.
    """
    if variable.name == "seed" and not text.strip():
        return (with_new_seed(record),)
    if not text.strip() and variable.field.kind != "prompt":
        raise _problem(variable, text, "type a value")
    if variable.name == _COUNT:
        counted = _changed(record, {_COUNT: text})
        return (with_new_seed(record, counted.num_images_per_prompt),)
    parts = _values(variable, text)
    requests = [_changed(record, _texts(variable, part)) for part in parts if part or text == part]
    made, names = _made(record), _SIZE if variable.name == "width" else (variable.name,)
    other = [each for each in requests if any(each.values()[name] != made[name] for name in names)]
    if not other:
        raise _problem(variable, text, "this is what the picture was made with")
    return tuple(dict.fromkeys(other))


def _values(variable: Variable, text: str) -> list[str]:
    """Return the values in a text: those of a prompt's are its own, of a number also ranges."""
    if not variable.takes_several:
        return [text]
    kind = {"integer": int, "number": float}.get(variable.field.kind)
    if kind is None or variable.name == "width":
        return [part.strip() for part in text.split(",")]
    from sdtui.requests.grids import number_values

    try:
        return number_values(text, kind)
    except ValueError as error:
        raise _problem(variable, text, str(error)) from error


def _texts(variable: Variable, text: str) -> dict[str, str]:
    if variable.name != "width":
        return {variable.name: text}
    width, height = parse_size(text)
    return {"width": str(width), "height": str(height)}


def _changed(record: GenerationRecord, texts: Mapping[str, str]) -> GenerationRequest:
    return parse_form({**form_texts(picture_request(record)), **texts})


def _problem(variable: Variable, text: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Problem(variable.name, text, message)])
