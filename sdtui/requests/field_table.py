"""FieldTable: all fields of a request by their unique names, whatever their section.

Values from users and programs come in two forms, which may be mixed: flat, by unique names
(`{"init_image": …, "strength": …}`: flags, the form, settings, JSON of version 0.1), or in sections
(`{"image_to_image": {"image": …}}`: JSON).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sdtui.core.fields import Field, Section, fields_in
from sdtui.core.picture_entries import EntryError, PictureEntry


class FieldTable(Mapping[str, Field]):
    """The fields of a request class, in their order."""

    def __init__(self, kind: type) -> None:
        """Raises TypeError if two fields share a name."""
        found = fields_in(kind)
        self._fields = {field.name: field for field in found}
        self._names = {field.path: field.name for field in found}
        self._sections = {field.section for field in found if field.section}
        self._keys = {field.section: field.name for field in found if field.is_key}
        """Optional section → the field that determines whether it exists."""
        if len(self._fields) < len(found):
            raise TypeError(f"two fields of {kind.__name__} share a name")

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def defaults(self, section: str) -> dict[str, Any]:
        """Return the defaults of a section's fields, with which an optional one isn't there."""
        return {name: field.default for name, field in self.items() if field.section == section}

    def name_of(self, location: Sequence[str | int]) -> str:
        """Return the name of a position in a request, e.g. "strength" for ("image_to_image",
        "strength") and "loras.0.weight" for ("loras", 0, "weight")."""
        for length in (2, 1):
            path = tuple(str(part) for part in location[:length])
            if path in self._names:
                return ".".join([self._names[path], *map(str, location[length:])])
        return ".".join(map(str, location))

    def flat(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by unique names. Unknown names are passed through, so that the validation
        reports them."""
        flat: dict[str, Any] = {}
        for name, value in values.items():
            parts = vars(value) if isinstance(value, Section) else value
            if name not in self._sections:
                flat[name] = value
            elif value is None and name in self._keys:
                flat[self._keys[name]] = None
            elif not isinstance(parts, Mapping):
                flat[name] = value
            else:
                for attribute, part in parts.items():
                    unique = self._names.get((name, attribute))
                    if unique is not None:
                        flat[unique] = part
                    else:
                        flat.setdefault(name, {})[attribute] = part
        return flat

    def orphans(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the flat values that have no meaning: those of sections that don't exist, and of
        fields that need another one. Name → the name of the missing field."""
        found = {name: self._missing(name, values) for name in values if name in self._fields}
        return {name: key for name, key in found.items() if key is not None}

    def _missing(self, name: str, values: Mapping[str, Any]) -> str | None:
        """Return the first field without a value that a field has no meaning without."""
        field = self._fields[name]
        for key in (self._keys.get(field.section), field.spec.needs):
            if key and key != name:
                missing = key if values.get(key) is None else self._missing(key, values)
                if missing is not None:
                    return missing
        return None

    def nested(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values in sections, without those of sections that don't exist."""
        flat = self.flat(values)
        orphans = self.orphans(flat)
        keys = self._keys.values()
        nested: dict[str, Any] = {}
        attributes: dict[str, dict[str, Any]] = {}
        for name, value in flat.items():
            section = self._fields[name].section if name in self._fields else ""
            if section and name not in orphans and not (name in keys and value is None):
                attributes.setdefault(section, {})[self._fields[name].path[1]] = value
            elif name in self._sections and isinstance(value, Mapping):
                attributes.setdefault(name, {}).update(value)
            elif not section:
                nested[name] = value
        # What is no section is left for the validation to report.
        right = {name: parts for name, parts in attributes.items() if nested.get(name) is None}
        return {**nested, **right}

    def values_of(self, request: object) -> dict[str, Any]:
        """Return the flat values of a request, with defaults for sections that don't exist."""
        return {name: self._value(request, field) for name, field in self._fields.items()}

    def _value(self, request: object, field: Field) -> Any:
        value: Any = request
        for attribute in field.path:
            if value is None:
                return field.default
            value = getattr(value, attribute)
        return value

    def files(self, request: object) -> Iterator[tuple[str, Path]]:
        """Yield every input file of a request with the name of its field, e.g.
        "controls.0.image"."""
        for name, field in self._fields.items():
            value = self._value(request, field)
            if field.is_file and field.is_list:
                yield from ((f"{name}.{number}", each) for number, each in enumerate(value))
            elif field.is_file and value is not None and not is_word(field, value):
                yield name, value
            if field.spec.entries is not None:
                parse = field.spec.entries.parse
                images = (parse(each).image for each in value)
                yield from ((f"{name}.{i}", Path(each)) for i, each in enumerate(images) if each)
            for number, section in enumerate(value if field.items else ()):
                for item in field.items:
                    path = getattr(section, item.path[0])
                    if item.is_file and path is not None:
                        yield f"{name}.{number}.{item.name}", path

    def map_files(
        self, values: Mapping[str, Any], function: Callable[[str, Any], Any]
    ) -> dict[str, Any]:
        """Return flat values with every value of a file field replaced by `function`, which is
        called with the name of the field and the value. None is left unchanged, and words in place
        of a file."""
        mapped = self.flat(values)
        for name, field in self._fields.items():
            value = mapped.get(name)
            if field.is_file and field.is_list and value is not None:
                files = value if isinstance(value, list | tuple) else [value]
                mapped[name] = [
                    function(f"{name}.{number}", each) for number, each in enumerate(files)
                ]
            elif field.is_file and value is not None and not is_word(field, value):
                mapped[name] = function(name, value)
            elif field.spec.entries is not None and value is not None:
                entries = value if isinstance(value, list | tuple) else [value]
                mapped[name] = [
                    _map_entry(field.spec.entries, entry, f"{name}.{number}", function)
                    for number, entry in enumerate(entries)
                ]
            elif field.items and isinstance(value, list | tuple):
                mapped[name] = [
                    _map_item(field, section, f"{name}.{number}", function)
                    for number, section in enumerate(value)
                ]
        return mapped


def is_word(field: Field, value: object) -> bool:
    """True if a file field's value is a word that stands in place of a path."""
    return isinstance(value, str | Path) and str(value) in field.spec.words


def _map_item(field: Field, section: Any, name: str, function: Callable[[str, Any], Any]) -> Any:
    if not isinstance(section, Mapping):
        return section
    files = (item.name for item in field.items if item.is_file and section.get(item.name))
    return {**section, **{each: function(f"{name}.{each}", section[each]) for each in files}}


def _map_entry(
    kind: type[PictureEntry], entry: Any, name: str, function: Callable[[str, Any], Any]
) -> Any:
    """Map the image of an entry that is a text, an object, or a wrong value, which stays."""
    if isinstance(entry, str):
        try:
            parsed = kind.parse(entry)
        except EntryError:
            return entry
        image = parsed.image
        return str(parsed.with_image(str(function(name, image)))) if image else entry
    if not isinstance(entry, Mapping) or entry.get("image") in (None, ""):
        return entry
    return {**entry, "image": str(function(name, entry["image"]))}


def fields_of(kind: type) -> FieldTable:
    """The fields of a request class."""
    return _table(kind)


_table = cache(FieldTable)
