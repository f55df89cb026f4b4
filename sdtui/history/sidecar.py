"""The JSON file next to a picture. Reading is limited in size, writing is atomic."""

from __future__ import annotations

import codecs
import json
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from sdtui.core.errors import HistoryError, InvalidRequestError, Problem
from sdtui.core.files import write_atomic
from sdtui.core.prompt_tags import take_tags
from sdtui.history.conditions import (
    CONTROL,
    GRID,
    IP_ADAPTER,
    JOB,
    LORA,
    OWNER,
    PARENT,
    SHEET,
    Value,
    fact_value,
    hash_fact,
)
from sdtui.history.search import folded_tag
from sdtui.requests.grids import GridPlace
from sdtui.requests.record import SCHEMA_VERSION, GenerationRecord, Timestamp
from sdtui.requests.request import MAX_SEED

MAX_BYTES = 2_000_000
"""JSON files larger than this are not read: two prompts of the longest kind with every
character escaped, and as much again."""

MAX_INT = 2**63 - 1
"""The largest integer that SQLite stores."""

MAX_TAGS = 100
"""Of a picture."""
MAX_TAG = 100
"""Most characters in a tag."""

Whole = Annotated[int, Field(ge=0, le=MAX_INT)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Text = Annotated[str, Field(max_length=200_000)]
"""Other tools have longer prompts than sdtui."""
Name = Annotated[str, Field(max_length=4_000)]


class UnreadableError(Exception):
    """A JSON file that can't be used; the message is the reason, safe to display."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class _Model(_Part):
    name: Name


class _Request(_Part):
    model: Name = ""


class _Lora(_Part):
    name: Name = ""
    autov2: Name = ""
    autov3: Name = ""


class _ControlNet(_Part):
    net: Name = ""
    sha256: Name = ""


class _IPAdapter(_Part):
    adapter: Name = ""
    sha256: Name = ""


class _Settings(_Part):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="allow")

    sampler: Name | None = None
    num_inference_steps: Whole | None = None
    guidance_scale: Annotated[float, Field(allow_inf_nan=False)] | None = None
    lora_files: tuple[_Lora, ...] = ()
    control_units: tuple[_ControlNet, ...] = ()
    ip_adapter_units: tuple[_IPAdapter, ...] = ()


class _Job(_Part):
    id: Name


class _Image(_Part):
    index: Whole
    width: Whole
    height: Whole
    sha256: Name | None = None
    variation_seed: Seed | None = None


class Summary(_Part):
    """What the index needs of a picture's JSON: a record with a star and tags. Read more
    leniently than a GenerationRecord, so that a later, narrower limit hides no old picture."""

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)]
    prompt: Text
    negative_prompt: Text = ""
    timestamp: Timestamp
    seed: Seed | None
    request: _Request = _Request()
    model: _Model | None = None
    settings: _Settings | None = None
    job: _Job | None = None
    grid: GridPlace | None = None
    owner: Name = ""
    parents: tuple[Name, ...] = ()
    images: Annotated[tuple[_Image, ...], Field(min_length=1, max_length=1)]
    starred: bool = False
    tags: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_TAG)], ...], Field(max_length=MAX_TAGS)
    ] = ()

    @property
    def shown_model(self) -> str:
        """The model's name, or what the request called it."""
        return self.model.name if self.model else self.request.model

    @property
    def shown_sampler(self) -> str:
        """The sampler; "" if it is unknown."""
        return (self.settings.sampler if self.settings else None) or ""

    @property
    def moment(self) -> datetime:
        """The time by which it is listed: the pictures of a grid stand together."""
        return self.timestamp if self.grid is None else self.grid.grid.time

    @property
    def position(self) -> int:
        """The place among the pictures of the same time."""
        return self.images[0].index if self.grid is None else self.grid.number

    def facts(self) -> Iterator[tuple[str, Value]]:
        """What can be searched besides what has a column: values that features have added, with
        the name of the field, names and hashes of files, the pictures it was made from, the grid,
        the job and the owner."""
        if self.job is not None:
            yield JOB, self.job.id
        if self.owner:
            yield OWNER, self.owner
        if self.grid is not None:
            yield GRID, self.grid.grid.id
            if self.grid.is_sheet:
                yield SHEET, 1
        added = (self.settings.model_extra or {}) if self.settings else {}
        own = {"variation_seed": self.images[0].variation_seed}
        for name, value in {**added, **own}.items():
            stored = fact_value(name, value)
            if stored is not None:
                yield name, stored
        yield from ((PARENT, each) for each in dict.fromkeys(self.parents))
        yield from dict.fromkeys(self._files())

    def _files(self) -> Iterator[tuple[str, Value]]:
        """The names of LoRAs and others that were used, and of LoRAs that the prompt names, and
        their hashes."""
        for use in take_tags(self.prompt).loras:
            yield LORA, use.name.casefold()
        made = self.settings or _Settings()
        used = [
            *((LORA, each.name, (each.autov2, each.autov3)) for each in made.lora_files),
            *((CONTROL, each.net, (each.sha256,)) for each in made.control_units),
            *((IP_ADAPTER, each.adapter, (each.sha256,)) for each in made.ip_adapter_units),
        ]
        for kind, name, hashes in used:
            yield kind, name.casefold()
            yield from ((hash_fact(kind), each) for each in hashes if each)


def _without_following(name: str, flags: int) -> int:
    """Open a file for `open`, which closes it in any case, unless it is a link."""
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0))


def read_bytes(path: Path) -> bytes:
    """The bytes of a JSON file, which must be an ordinary file within MAX_BYTES.

    Raises OSError or UnreadableError.
    """
    with open(path, "rb", buffering=0, opener=_without_following) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("not an ordinary file")
        if status.st_size > MAX_BYTES:
            raise UnreadableError(f"its JSON is larger than {MAX_BYTES:,} bytes")
        return file.read(status.st_size).removeprefix(codecs.BOM_UTF8)  # of an editor


def parse_summary(data: bytes) -> Summary:
    """Parse what the index needs. Raises UnreadableError."""
    try:
        return Summary.model_validate_json(data)
    except ValidationError as error:
        raise UnreadableError(_summary_problem(error)) from error


def _summary_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    if problem["loc"] == ("schema_version",) and problem["type"] == "less_than_equal":
        return "its JSON was written by a newer sdtui"
    where = ".".join(str(part) for part in problem["loc"])
    return f"its JSON is damaged: {where + ': ' if where else ''}{problem['msg']}"


def read_record(path: Path) -> GenerationRecord:
    """Read the whole record; its path is the one written at saving. Raises HistoryError."""
    try:
        return GenerationRecord.model_validate_json(read_bytes(path))
    except (OSError, UnreadableError) as error:
        raise HistoryError(f"{path} can't be read: {_reason(error)}") from error
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise HistoryError(f"{path} can't be read: {reason}") from error


def _reason(error: OSError | UnreadableError) -> str:
    """Return why a file can't be read, without its path."""
    return str(getattr(error, "strerror", None) or error)


def to_json(
    record: GenerationRecord, *, starred: bool = False, tags: tuple[str, ...] = ()
) -> bytes:
    """The content of the JSON file of a picture."""
    fields = {**record.model_dump(mode="json"), "starred": starred, "tags": list(tags)}
    return _dump(fields)


def change_marks(
    path: Path,
    *,
    starred: bool | None = None,
    add: frozenset[str] = frozenset(),
    remove: frozenset[str] = frozenset(),
) -> Summary:
    """Change the star and the tags in a JSON file, keeping its other fields.

    Raises HistoryError if the file can't be read, OSError if it can't be written, and
    InvalidRequestError for too many tags.
    """
    try:
        data = read_bytes(path)
        before = parse_summary(data)
    except (OSError, UnreadableError) as error:
        raise HistoryError(f"{path} can't be changed: {_reason(error)}") from error
    fields: dict[str, Any] = from_json(data)
    fields["starred"] = before.starred if starred is None else starred
    kept = {tag for tag in before.tags if folded_tag(tag) not in add | remove}
    fields["tags"] = sorted(kept | (add - remove))
    if (count := len(fields["tags"])) > MAX_TAGS:
        problem = f"a picture has at most {MAX_TAGS} tags, not {count}"
        raise InvalidRequestError([Problem("tag", count, problem)])
    changed = _dump(fields)
    write_atomic(path, changed)
    return parse_summary(changed)


def _dump(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=2) + "\n").encode()
