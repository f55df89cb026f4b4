"""Which tool made a picture, and where it keeps its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sdtui.core.errors import HistoryError, ImageError
from sdtui.history.image_metadata import Texts, read_texts
from sdtui.history.importers import comfyui as graphs
from sdtui.history.importers import formats as tools
from sdtui.history.importers.request_mapping import Found, ImportedSettings, carry
from sdtui.history.infotext import PARAMETERS, own_record
from sdtui.history.names import sidecar_path
from sdtui.history.sidecar import read_record
from sdtui.history.writing import hash_file
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS


def read_picture_settings(path: Path) -> ImportedSettings:
    """The settings that a PNG, JPEG or WebP picture was made with.

    Raises ImageError if the file can't be read or holds no settings.
    """
    texts = read_texts(path)
    record = _sidecar_record(path) or own_record(texts)
    if record is not None:
        return from_record(record)
    return carry(_with_size(_find(path, texts.texts), texts))


def read_infotext(text: str, *, for_init_image: bool = False) -> ImportedSettings:
    """The settings in a text of A1111's form that comes without a picture; with the strength if
    they are `for_init_image`. Raises ImageError if it holds none."""
    return carry(tools.a1111(Path("infotext"), text), for_init_image=for_init_image)


def from_record(record: GenerationRecord) -> ImportedSettings:
    """The settings that one of our own pictures was really made with."""
    request = record.request
    values = {name: value for name, value in request.values().items() if value is not None}
    values |= {"seed": record.seed, "num_images_per_prompt": 1}
    lost = []
    if record.settings is not None:
        made = record.settings.model_dump(exclude_none=True)
        values |= {name: made[name] for name in made if name in REQUEST_FIELDS}
    for name, path in request.input_images().items():
        if not path.is_file():
            field = REQUEST_FIELDS[name.partition(".")[0]]
            values.pop(field.name, None)
            lost.append(f"{field.spec.label} {path}: it is not there any more")
    for name in REQUEST_FIELDS.orphans(values):
        del values[name]
    return ImportedSettings(values, tools.NATIVE, tuple(lost))


def _sidecar_record(path: Path) -> GenerationRecord | None:
    """The record in the JSON beside a picture, if it is the record of this very file."""
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return None
    try:
        record = read_record(sidecar)
        belongs = len(record.images) == 1 and record.images[0].sha256 == hash_file(path)
    except (HistoryError, OSError):
        return None
    return record if belongs else None


def _find(path: Path, texts: Mapping[str, str]) -> Found:
    parameters = texts.get(PARAMETERS) or texts.get("UserComment")
    if any(key in texts for key in tools.INVOKEAI_KEYS):
        return tools.invokeai(path, texts)
    if "Comment" in texts and "Source" in texts:
        return tools.novelai(path, texts)
    if parameters and parameters.lstrip().startswith("{"):
        return tools.from_json_text(path, parameters)
    if parameters:
        return tools.a1111(path, parameters)
    for text in (texts.get("prompt"), *texts.values()):
        if text is not None and text.removeprefix("prompt:").lstrip().startswith("{"):
            return graphs.comfyui(path, text.removeprefix("prompt:"))
    raise ImageError(
        f"{path} holds no settings that can be read",
        "Name a picture that was made by a tool that writes its settings into it",
    )


def _with_size(found: Found, texts: Texts) -> Found:
    """The picture's own size where the tool names none."""
    if texts.size is None or (found.width is not None and found.height is not None):
        return found
    width, height = texts.size
    return replace(found, width=width, height=height)
