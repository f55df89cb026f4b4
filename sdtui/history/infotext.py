"""A1111's infotext, written and parsed by its grammar, and sdtui's JSON inside pictures.

text   := prompt [LF "Negative prompt: " negative] LF pair *(", " pair) *(LF appended)
pair   := key ": " value, or the key alone where the value is the same
value  := as it is, or as a JSON string if it holds a comma, a newline or a colon; extensions also
          write JSON arrays and objects, and strings with newlines
appended := a line of an extension: key ": " value with any commas, or the value's next line
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sdtui import __version__
from sdtui.core.enums import Rng
from sdtui.core.prompt_tags import parse_lora
from sdtui.core.samplers import sampler_and_schedule
from sdtui.history.control_infotext import control_pairs
from sdtui.history.image_metadata import Texts
from sdtui.history.names import format_of
from sdtui.history.portable import localized, portable, portable_name
from sdtui.requests.grids import NOTHING, SEED_LABELS, GridPlace
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import MODEL_FIELDS, REQUEST_FIELDS
from sdtui.requests.sections.vae import OWN_VAE

if TYPE_CHECKING:
    from PIL.Image import Image

INFOTEXT_KEYWORD = "parameters"
"""The keyword under which A1111 and many other tools store the infotext."""

OWN = "sdtui"
"""The keyword of sdtui's JSON."""

SEED_RESIZE = "Seed resize from"
"""The key of two fields in one."""

STRENGTH = "Denoising strength"
HIRES_STRENGTH = "Hires strength"
HIRES_RESIZE = "Hires resize"
"""Keys of hires fix; the last is that of two fields in one."""

DISTILLED = "Distilled CFG Scale"
"""Forge's key of the guidance that is distilled into a model, whose CFG scale is the true one."""

UPSCALE_TO = "Postprocess upscale to"
"""The key of the size that a picture was upscaled to, if not by a factor."""

OTHER_MODELS = MODEL_FIELDS[1:]
"""The fields of models that other passes have."""

_FILES = ("upscaler", "second_upscaler", "hires_upscaler", *OTHER_MODELS)
"""The fields of upscalers and models, which may be paths."""

TEMPLATES = {"Template": "prompt_template", "Negative Template": "negative_prompt_template"}
"""The keys of prompts as they were written, and their properties in a record. The extension
sd-dynamic-prompts appends them as lines, and A1111 can't read the text without it."""

_NEGATIVE = "Negative prompt:"
_BEFORE_NEGATIVE = re.compile(rf"\s*{_NEGATIVE}", re.IGNORECASE)
_PAIR = re.compile(
    r'(?<![\w \-/])[ \-/]*+(\w[\w \-/]++):[^\S\n]*("(?:\\.|[^\\"])++"|[^,\n]*)(?:,|\n|$)'
)
"""A1111's pattern without backtracking, with which a long line without a pair takes minutes."""
_FIRST_KEYS = (
    *("Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model hash", "Model"),
)
"""The keys that A1111 writes first, in its order."""
_LATE_STEPS = re.compile(r"(?<=\S)\sSteps: ?\d{1,5},", re.IGNORECASE)
_BRACKETS = {"(", "["}
"""Without them there is no emphasis to name."""
_MIN_PAIRS = 3
_MAX_ARRAYS = 50  # JSON values in a text
_APPENDED = re.compile(r"(\w[\w \-/]{0,100}):\s*(.*)")
_QUALITY = 95  # of JPEG and WebP, in percent
_PNG_COMPRESSION = 4  # of 9; Pillow's default of 6 takes twice as long for files 2 to 8 % smaller
_MAX_EXIF = 65_000  # bytes; a JPEG segment has at most 65,535
_USER_COMMENT, _EXIF_IFD = 0x9286, 0x8769


@dataclass(frozen=True)
class Infotext:
    """A parsed infotext."""

    prompt: str
    negative_prompt: str = ""
    pairs: Mapping[str, str] = field(default_factory=dict)
    """The unquoted settings by their keys: "Steps", "CFG scale" …"""


def write_infotext(record: GenerationRecord) -> str:
    """The infotext of the only picture of a record."""
    image, made, model = record.images[0], record.settings, record.model
    values = {**(record.values() if made else {}), "seed": image.seed}
    values |= {"prompt": record.prompt, "negative_prompt": record.negative_prompt}
    values["sampler"] = made.sampler if made is not None else None
    is_sheet = record.grid is not None and record.grid.is_sheet
    is_larger = record.request.upscale.is_wanted or values.get("hires_scale") is not None
    # With these, the picture has another size than the model works in.
    keeps_size = values.get("keep_size") or values.get("only_masked")
    sized = made if (is_sheet or is_larger or keeps_size) and made is not None else image
    more: dict[str, object] = {"Size": f"{sized.width}x{sized.height}", **_guidance(record)}
    rng = str(values.get("rng", Rng.CPU)).upper()
    if model is not None:
        more |= {"Model hash": model.hash and model.hash[:10], "Model": portable_name(model.name)}
        # As Forge writes them.
        names = sorted(set(model.part_files.values()))
        more |= {f"Module {at}": Path(name).stem for at, name in enumerate(names, 1)}
    more |= _other_models(record, values)
    if record.grid is not None and is_sheet:
        more |= _script(record.grid)
    if made is not None and made.lora_files:
        more["Lora hashes"] = _named_hashes((each.name, each.autov3) for each in made.lora_files)
        values["prompt"] += _tags(record)
    if made is not None and made.vae_hash:
        more["VAE hash"] = made.vae_hash[:10]
    if made is not None and made.embedding_files:
        more["TI hashes"] = _named_hashes((each.name, each.sha256) for each in made.embedding_files)
    if made is not None:
        more |= control_pairs(made.control_units, made.ip_adapter_units)
    more |= {key: getattr(record, name) or None for key, name in TEMPLATES.items()}
    return format_infotext(values, {**more, "RNG": rng, "Version": f"sdtui {__version__}"})


def _guidance(record: GenerationRecord) -> dict[str, object]:
    """Return the guidance of a model that has it distilled into it and takes true CFG too, as Forge
    writes it."""
    made = record.settings
    true_cfg = made.field_values().get("true_cfg_scale") if made is not None else None
    if made is None or true_cfg is None:
        return {}
    return {"CFG scale": true_cfg, DISTILLED: made.guidance_scale}


def _other_models(record: GenerationRecord, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the titles of models that other passes have, with their hashes as in A1111."""
    models = record.other_models if record.model is None else (record.model, *record.other_models)
    hashes = {portable_name(each.name): each.hash for each in models}
    for name in OTHER_MODELS:
        model = portable_name(values.get(name) or "")
        if digits := hashes.get(model):
            yield REQUEST_FIELDS[name].spec.infotext, f"{model} [{digits[:10]}]"


def _tags(record: GenerationRecord) -> str:
    """Return the tags of LoRAs that the prompt doesn't name, as other tools read them."""
    uses = map(parse_lora, record.request.adapters.loras)
    return "".join(f" <lora:{replace(use, name=portable_name(use.name))}>" for use in uses)


def _script(sheet: GridPlace) -> Iterator[tuple[str, str]]:
    """Yield what A1111's script writes about a grid."""
    yield "Script", "X/Y/Z plot"
    for letter, axis in zip("XYZ", sheet.grid.axes, strict=True):
        if axis.label != NOTHING and not (letter == "Z" and sheet.z is not None):
            yield f"{letter} Type", axis.label
            yield f"{letter} Values", axis.text
            if axis.label in SEED_LABELS:
                yield f"Fixed {letter} Values", ", ".join(axis.values)


def _named_hashes(files: Iterable[tuple[str, str]]) -> str:
    """The names of files with the first 12 digits of their hashes, as in A1111."""
    return ", ".join(f"{re.sub('[:,]', '', name)}: {digits[:12]}" for name, digits in files)


def format_infotext(values: Mapping[str, Any], more: Mapping[str, object]) -> str:
    """The infotext of values of request fields and of more pairs, in A1111's order."""
    pairs: dict[str, object] = {
        field.spec.infotext: field.spec.a1111_names.get(values.get(name, ""), values.get(name))
        for name, field in REQUEST_FIELDS.items()
        if field.spec.infotext and values.get(name) != field.default
    }
    if values.get("sampler") is not None:
        pairs["Sampler"], pairs["Schedule type"] = sampler_and_schedule(values["sampler"])
    hires = _hires(values)
    pairs = dict.fromkeys(hires.keys() & {STRENGTH}) | pairs | hires  # the strength first
    if not values.get("variation_strength"):
        pairs["Variation seed"] = None
    if values.get("vae"):
        name = PureWindowsPath(values["vae"]).name
        pairs["VAE"] = None if name == OWN_VAE else name
    if values.get("refiner") is not None:
        pairs["Refiner switch at"] = values.get("refiner_switch_at")
    for name in _FILES:
        if values.get(name):
            pairs[REQUEST_FIELDS[name].spec.infotext] = portable_name(values[name])
    if values.get("upscale_width") and values.get("upscale_height"):
        pairs[UPSCALE_TO] = f"{values['upscale_width']}x{values['upscale_height']}"
    if not values.get("only_masked"):
        pairs["Masked area padding"] = None
    if values.get("mask_image"):  # A1111 writes it always
        pairs["Mask blur"] = values.get("mask_blur")
    if values.get("seed_resize_width") and values.get("seed_resize_height"):
        pairs[SEED_RESIZE] = f"{values['seed_resize_width']}x{values['seed_resize_height']}"
    if not _BRACKETS & {*values.get("prompt", ""), *values.get("negative_prompt", "")}:
        pairs.pop("Emphasis", None)
    pairs |= more
    first = {key: pairs.pop(key, None) for key in _FIRST_KEYS}
    written = (
        (key, f"{value:g}" if isinstance(value, float) else str(value))
        for key, value in {**first, **pairs}.items()
        if value is not None
    )
    lines = [values.get("prompt", "")]
    if values.get("negative_prompt"):
        lines.append(f"{_NEGATIVE} {values['negative_prompt']}")
    line = ", ".join(f"{key}: {_quote(value)}" if key != value else key for key, value in written)
    return "\n".join([*lines, line])


def _hires(values: Mapping[str, Any]) -> dict[str, object]:
    """The pairs of hires fix that aren't fields as they are; those of fields are None if it is off.

    A1111 has one key for both strengths: where there is no init image, it is that of hires.
    """
    if values.get("hires_scale") is None:
        return {"Hires upscaler": None, HIRES_STRENGTH: None}
    pairs: dict[str, object] = {}
    width, height = values.get("hires_width"), values.get("hires_height")
    if width or height:
        pairs |= {"Hires upscale": None, HIRES_RESIZE: f"{width or 0}x{height or 0}"}
    if values.get("init_image") is None:
        pairs |= {STRENGTH: values.get("hires_strength"), HIRES_STRENGTH: None}
    if values.get("hires_sampler") not in (None, values.get("sampler")):
        sampler, schedule = sampler_and_schedule(values["hires_sampler"])
        pairs |= {"Hires sampler": sampler, "Hires schedule type": schedule}
    return pairs


def parse_infotext(text: str) -> Infotext:
    """Parse an infotext. Its settings are the last line that begins with "Steps:" or, without one,
    the last line with three pairs; with neither, all of it is the prompt."""
    lines = text.strip().split("\n")
    at = _settings_line(lines)
    if at is not None:
        lines[at : at + 1] = _separated(lines[at])
        at = _settings_line(lines)
    pairs = {} if at is None else _parse_pairs("\n".join(lines[at:]))
    lines = lines[:at]
    split = next((at for at, line in enumerate(lines) if _BEFORE_NEGATIVE.match(line)), None)
    prompt = lines[:split]
    negative = [] if split is None else lines[split:]
    return Infotext(
        "\n".join(prompt).strip(),
        _BEFORE_NEGATIVE.sub("", "\n".join(negative), count=1).strip(),
        pairs,
    )


def _settings_line(lines: list[str]) -> int | None:
    """The index of the line with the settings."""
    found = None
    for at in range(len(lines) - 1, -1, -1):
        pairs = itertools.islice(_PAIR.finditer(lines[at]), _MIN_PAIRS)
        if len(list(pairs)) == _MIN_PAIRS:
            if lines[at].lstrip().lower().startswith("steps:"):
                return at
            found = at if found is None else found
    return found


def _separated(line: str) -> list[str]:
    """The lines of an infotext whose line breaks were lost; other lines as they are."""
    *_, at = (0, *(found.start() for found in _LATE_STEPS.finditer(line)))
    head, settings = line[:at], line[at:].lstrip()
    negative = head.find(_NEGATIVE)
    if negative >= 0:
        return [head[:negative].rstrip(), head[negative:], settings]
    return [head, settings] if head and not _PAIR.match(head) else [line]


def _parse_pairs(text: str) -> dict[str, str]:
    """The pairs of the settings line at the start of a text, and those of the lines after it."""
    pairs: dict[str, str] = {}
    position, arrays = 0, 0
    while found := _PAIR.search(text, position):
        if "\n" in text[position : found.start()].strip(" "):
            break  # the settings line is over
        key, value, position = found[1], found[2], found.end()
        if value.startswith(("[", "{")) and arrays < _MAX_ARRAYS:
            arrays += 1
            end = _end_of_json(text, found.start(2))
            value, position = (text[found.start(2) : end], end) if end else (value, position)
        pairs[key] = _unquote(value)
        if text[position - 1 : position] == "\n" or text[position : position + 1] == "\n":
            break
    key = ""
    for line in text[position:].strip().split("\n"):
        appended = _APPENDED.fullmatch(line)
        if appended is not None:
            key = appended[1]
            pairs.setdefault(key, appended[2])
        elif key:
            pairs[key] += f"\n{line}"
    return pairs


def _end_of_json(text: str, start: int) -> int | None:
    """Where the JSON array or object ends that begins at `start`; None if it is none."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _quote(value: str) -> str:
    needs_quotes = any(character in value for character in ",\n:")
    return json.dumps(value, ensure_ascii=False) if needs_quotes else value


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        return str(json.loads(value, strict=False))
    except ValueError:
        return value


def encode(image: Image, record: GenerationRecord, picture_format: str) -> bytes:
    """Encode a picture with its infotext, and in PNGs with its record.

    In JPEG and WebP an infotext that is too long for EXIF is left out. `picture_format` is "png",
    "jpeg" or "webp"; `record` is that of this picture alone.
    """
    from PIL import Image as Pillow
    from PIL.PngImagePlugin import PngInfo

    text = write_infotext(record)
    buffer = io.BytesIO()
    if picture_format == "png":
        info = PngInfo()
        info.add_text(INFOTEXT_KEYWORD, text)
        info.add_itxt(OWN, portable(record).model_dump_json())
        image.save(buffer, "PNG", pnginfo=info, compress_level=_PNG_COMPRESSION)
        return buffer.getvalue()
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    exif = Pillow.Exif()
    if len(comment) <= _MAX_EXIF:
        exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = comment
    image.convert("RGB").save(buffer, picture_format.upper(), quality=_QUALITY, exif=exif)
    return buffer.getvalue()


def encoded(
    image: Image, record: GenerationRecord, index: int, file: Path | None, picture_format: str
) -> bytes:
    """Return the file of picture `index` of a run: in the format that the name of `file` says, if
    it is given. Raises OutputError for a name without one."""
    kind = picture_format if file is None else format_of(file)
    return encode(image, record.of_image(index), kind)


def own_record(texts: Texts) -> GenerationRecord | None:
    """The record inside a PNG of sdtui; None if there is none or it can't be read."""
    try:
        record = GenerationRecord.model_validate_json(texts.texts[OWN])
    except (KeyError, ValidationError):
        return None
    return localized(record) if len(record.images) == 1 else None
