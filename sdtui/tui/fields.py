"""The form's fields, derived from those of a request."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdtui.core.errors import ImageError, InvalidRequestError, SdtuiError
from sdtui.core.fields import REQUIRED, Field
from sdtui.core.paths import exists
from sdtui.core.text import one_line
from sdtui.core.typed_paths import PathTextError, parse_typed_path, typed_text
from sdtui.requests.field_table import FieldTable, is_word
from sdtui.requests.request import REQUEST_FIELDS, SIZE_MULTIPLE, GenerationRequest
from sdtui.requests.sections.image_to_image import default_strength

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Pictures

Kind = Literal["prompt", "model", "names", "choice", "integer", "number", "path", "paths", "text"]

_USUAL_SIZES: Mapping[int, tuple[tuple[int, int], ...]] = {
    512: ((640, 512), (768, 512)),
    768: ((1024, 768),),
    1024: ((1152, 896), (1216, 832), (1344, 768)),
}
"""Common sizes for SD 1.x and 2.x, and the sizes that SDXL was trained with."""

_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*"|,(?=[\d.+-]|[a-z_]+=|pixel_perfect\b)|[^,;])+')
"""An item of a list. It may hold numbers and options behind commas, and anything in quotes."""

_MOST_DIGITS = 30
"""Numbers with more digits aren't stepped: as whole numbers they could fill the memory."""


@dataclass(frozen=True)
class FormField:
    """A field as the form shows it."""

    name: str
    label: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    """The first is "" if the field may be left open."""
    default: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    step: float = 1
    first_step: float | None = None
    """See FieldSpec."""
    open_text: str = "auto"
    """Shown while the field is left open."""
    native: bool = False
    """True if the model has a value for it while it is left open."""
    is_rare: bool = False
    """See FieldSpec."""
    check: Callable[[str], str] | None = None
    """Returns the normalised value. Raises ValueError."""
    choice_names: Mapping[str, str] = field(default_factory=dict)
    """Choice → what is shown for it, if that is something else."""
    group: str = ""
    """The heading under which it stands."""
    chip: str = ""
    chip_short: str = ""
    joins_chip: bool = False
    letter: str = ""
    """See FieldSpec."""
    is_key: bool = False
    """True if it switches a feature on by having a value."""
    needs: str = ""
    """The field that does this for the feature that this field belongs to."""

    def shown(self, text: str) -> str:
        """Return what is shown for a text of this field, on one line."""
        return one_line(self.choice_names.get(text, text)) or self.open_text

    def spelled(self, text: str) -> str | None:
        """Return the choice that a text is another spelling of, or None."""
        try:
            return None if self.check is None else self.check(text)
        except ValueError:
            return None

    def stepped(self, text: str, by: int) -> str:
        """Return the value `by` steps away, within the limits. An open field begins at
        `first_step`; without one at the lower limit, or at the upper one when going down, or at 0
        if there is no such limit."""
        step = Decimal(str(self.step))  # a float would lose the last digits of a large seed
        value = decimal_of(text)
        if value is None:
            limit = self.minimum if by > 0 else self.maximum
            first = limit if self.first_step is None else self.first_step
            value = Decimal(str(first if math.isfinite(first) else 0)) - by * step
        # On to the next multiple of a step: 60 becomes 64 and not 124.
        places = value / step
        moved = (math.floor(places) + 1 if by > 0 else math.ceil(places) - 1) * step
        limited = min(Decimal(self.maximum), max(Decimal(self.minimum), moved))
        return str(int(limited)) if self.kind == "integer" else f"{float(limited):g}"


def decimal_of(text: str) -> Decimal | None:
    """Return the number that a text is; None if it is none."""
    try:
        value = Decimal(_number_text(text, float))
    except InvalidOperation:
        return None
    return value if value.is_finite() and value.adjusted() < _MOST_DIGITS else None


def form_fields(fields: FieldTable = REQUEST_FIELDS) -> tuple[FormField, ...]:
    """Return every field, in the order of the request."""
    keys = fields.orphans(dict.fromkeys(fields))
    return tuple(_form_field(field, keys.get(field.name, "")) for field in fields.values())


def _form_field(field: Field, needs: str) -> FormField:
    spec = field.spec
    open_choice = ("",) if field.default is None else ()
    choices = spec.choices() if spec.choices else ()
    if issubclass(field.type, StrEnum):
        choices = tuple(str(each) for each in field.type)
    elif field.type is bool:
        choices = (field_text(False), field_text(True))
    return FormField(
        name=field.name,
        label=spec.shown_label,
        kind=spec.widget or ("choice" if choices else _kind_of(field)),
        help=spec.help,
        choices=(*open_choice, *choices) if choices else (),
        default="" if field.default in (None, REQUIRED) else field_text(field.default),
        minimum=-math.inf if spec.ge is None else spec.ge,
        maximum=math.inf if spec.le is None else spec.le,
        step=spec.step,
        first_step=spec.first_step,
        open_text=spec.open_text,
        choice_names=spec.choice_names,
        group=spec.group,
        chip=spec.chip,
        chip_short=spec.chip_short or spec.chip,
        joins_chip=spec.joins_chip,
        letter=spec.letter,
        is_key=field.is_key,
        needs=needs,
        native=spec.native,
        is_rare=spec.is_rare,
        check=spec.check,
    )


def _kind_of(field: Field) -> Kind:
    if field.is_file:
        return "paths" if field.is_list else "path"
    if issubclass(field.type, int):
        return "integer"
    return "number" if issubclass(field.type, float) else "text"


def usual_sizes(side: int) -> list[tuple[int, int]]:
    """Return widths and heights for a model with native squares of `side` pixels: the square, then
    portrait and landscape. Without a list of common sizes they have about as many pixels."""
    sizes = [(side, side)]
    for long, short in _USUAL_SIZES.get(side, ()) or (_shaped(side, 4 / 3), _shaped(side, 16 / 9)):
        sizes += [(short, long), (long, short)]
    return sizes


def _shaped(side: int, shape: float) -> tuple[int, int]:
    root = math.sqrt(shape)
    long, short = (round(side * f / SIZE_MULTIPLE) * SIZE_MULTIPLE for f in (root, 1 / root))
    return long, short


def request_values(texts: Mapping[str, str], fields: FieldTable = REQUEST_FIELDS) -> dict[str, Any]:
    """Return a form's texts as values for GenerationRequest, without open fields and without fields
    of sections that don't exist, e.g. the strength without an init image. A mask without one is
    kept: the validation says what it needs."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        field = fields.get(name)
        if not text.strip():
            continue
        if field is not None and field.is_list:
            items = list_items(text, field.spec.item_separator)
            values |= fields.map_files({name: items}, lambda _, typed: _path(str(typed)))
        elif field is not None and field.is_file:
            values[name] = _path(text)
        elif field is not None and field.type in (int, float):
            values[name] = _number_text(text, field.type)
        else:
            values[name] = text
    for name in fields.orphans(values):
        if not fields[name].is_key:
            del values[name]
    return values


def list_items(text: str, separator: str = "") -> list[str]:
    """Return the items of a list that was written in one line; without a separator, commas and
    semicolons are between them."""
    if separator:
        return [part.strip() for part in text.split(separator) if part.strip()]
    return [part.strip() for part in _ITEM.findall(text) if part.strip()]


def path_item(path: Path) -> str:
    """Return a text that `list_items` and `parse_typed_path` read as one path."""
    text = typed_text(path)
    if list_items(text) == [text]:
        return text
    return '"{}"'.format(re.sub(r'(["\\])', r"\\\1", str(path)))


def _path(text: str) -> Path:
    """Return a typed path; one that can't be parsed as it is, which `file_problems` explains."""
    try:
        return parse_typed_path(text)
    except PathTextError:
        return Path(text)


def _number_text(text: str, kind: type) -> str:
    """Return a number in the digits of ASCII; a comma may be its decimal point."""
    plain = "".join(map(_digit, text.strip()))
    is_decimal = issubclass(kind, float) and plain.count(",") == 1 and "." not in plain
    return plain.replace(",", ".") if is_decimal else plain


def _digit(character: str) -> str:
    if character == "\N{MINUS SIGN}":
        return "-"
    if "\uff01" <= character <= "\uff5e":  # the wide forms of ASCII
        return chr(ord(character) - 0xFEE0)
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def label_of(name: str) -> str:
    """Return a field's label."""
    field = REQUEST_FIELDS.get(name.partition(".")[0])
    return name if field is None else field.spec.label


def parse_form(texts: Mapping[str, str]) -> GenerationRequest:
    """Return the form's request; its files aren't checked. Raises InvalidRequestError."""
    return GenerationRequest.parse({"prompt": "", **request_values(texts)})


def problems_of(
    texts: Mapping[str, str],
    checked_files: Mapping[str, str] | None = None,
    fields: FieldTable = REQUEST_FIELDS,
) -> dict[str, str]:
    """Return a form's problems: field → message. Fields without a text aren't a problem yet.

    `checked_files` are the problems of files; they are read, which may take a while, if it is None.
    """
    from sdtui.requests.validation import validate_fields

    found = {**(file_problems(texts) if checked_files is None else checked_files)}
    values = request_values(texts, fields)
    for name, missing in fields.orphans(values).items():
        found[name] = f"only has a meaning together with {label_of(missing).lower()}"
    try:
        validate_fields(fields, values)
    except InvalidRequestError as error:
        found |= {each.field.partition(".")[0]: each.message for each in error.problems}
    return found


def step_problems(steps: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the problem of a strength that leaves no step: field → message. `steps` is the number
    of steps, the model's own if the field is open. With hires, the picture itself may be
    enlarged."""
    usual = default_strength(outpaint=texts.get("outpaint"), fill=texts.get("inpaint_fill"))
    number, share = decimal_of(steps), decimal_of(texts["strength"] or str(usual))
    if not texts["init_image"].strip() or number is None or share is None or number < 1:
        return {}
    if int(number * share) > 0 or texts.get("hires_scale", "").strip():
        return {}
    least = (100 / number).to_integral_value(ROUND_CEILING) / 100
    message = f"{share} of {steps} steps is less than one step: take {least} or more"
    return {"strength": message}


def file_problems(texts: Mapping[str, str], pictures: Pictures | None = None) -> dict[str, str]:
    """Read the files that a form names, and return what is wrong with them: field → message. One
    that isn't here may be one of the backend's `pictures`."""
    problems = {}
    for name, text in texts.items():
        field = REQUEST_FIELDS.get(name)
        if field is None or not text.strip() or is_word(field, text.strip()):
            continue
        is_path = field.is_file and not field.is_list
        files = [text] if is_path else _images_in_list(field, text)
        problem = next(filter(None, (_file_problem(each, pictures) for each in files)), "")
        if problem:
            problems[name] = problem
    return problems


def _images_in_list(field: Field, text: str) -> list[str]:
    """Return the images that the items of a list are or name, as they were typed."""
    images: list[str] = []

    def note(_: str, image: object) -> object:
        images.append(str(image))
        return image

    if field.is_list:
        REQUEST_FIELDS.map_files({field.name: list_items(text)}, note)
    return images


def _file_problem(text: str, pictures: Pictures | None) -> str:
    try:
        path = parse_typed_path(text)
        problem = picture_problem(path)
        return problem if problem and _entry_of(path, pictures) is None else ""
    except PathTextError as error:
        return f"{text.strip()} {error}"


def _entry_of(path: Path, pictures: Pictures | None) -> Entry | None:
    """Return a picture of the backend by its path, if it isn't on this machine."""
    if pictures is None or exists(path):
        return None
    try:
        return pictures.get(path)
    except (SdtuiError, ValueError):  # ValueError: a NUL in it
        return None


def picture_problem(path: Path) -> str:
    """Say why a picture can't be an init image; "" if it can. Reads it whole."""
    from sdtui.requests.input_images import open_init_image

    try:
        open_init_image(path)
    except ImageError as error:
        return error.what
    return ""


def init_image_size(
    texts: Mapping[str, str], pictures: Pictures | None = None
) -> tuple[int, int] | None:
    """Read width and height of the init image that a form names, which may be one of the backend's
    `pictures`; None if there is none or it can't be read."""
    text = texts["init_image"].strip()
    try:
        path = parse_typed_path(text) if text else None
    except PathTextError:
        return None
    if path is None:
        return None
    if (entry := _entry_of(path, pictures)) is not None:
        return entry.width, entry.height
    from sdtui.requests.input_images import size_of_picture  # and numpy with it

    try:
        return size_of_picture(path)
    except ImageError:
        return None


def form_texts(request: GenerationRequest) -> dict[str, str]:
    """Return the form's texts for `request`."""
    return {name: field_text(value) for name, value in request.values().items()}


def field_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Path):
        return typed_text(value)
    if isinstance(value, tuple):
        return ", ".join(path_item(each) if isinstance(each, Path) else str(each) for each in value)
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
