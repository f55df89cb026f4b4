"""Settings in the text files that tools write beside pictures: A1111's and Easy Diffusion's .txt,
SwarmUI's .swarm.json, and other JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sdtui.history.exif import decode
from sdtui.history.image_metadata import MAX_TEXT, open_ordinary
from sdtui.history.importers.json_settings import json_object
from sdtui.history.infotext import INFOTEXT_KEYWORD

TEXT_SUFFIXES = (".json", ".swarm.json", ".txt")
"""The endings of these files, the JSON of sdtui's own pictures among them."""

_LINE = re.compile(r"^(\w[\w ]{0,40}):[ \t]*([^\r\n]*)", re.MULTILINE)
_OWN_KEY = "schema_version"


def sidecar_texts(picture: Path) -> Iterator[dict[str, str]]:
    """The texts of the files beside a picture that have its name: each as a whole, then by its
    lines. The JSON of another picture of sdtui is left out."""
    for suffix in TEXT_SUFFIXES:
        text = _read(picture.with_suffix(suffix))
        if text and _OWN_KEY not in (json_object(text) or {}):
            yield {INFOTEXT_KEYWORD: text}
            yield {found[1]: found[2] for found in _LINE.finditer(text)}


def _read(path: Path) -> str:
    """The text of a file; "" if it can't be read or is too long."""
    try:
        with open_ordinary(path) as file:
            data = file.read(MAX_TEXT + 1)
    except OSError:
        return ""
    return decode(data) if len(data) <= MAX_TEXT else ""
