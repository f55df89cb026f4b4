"""FieldSpec: the single definition of a field. Flags, the form and the HTTP schemas are derived
from it.

It imports no library, so that the form can be shown before pydantic is imported. Pydantic asks a
spec for its limits when it meets one in a type annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from sdtui.core.picture_entries import EntryError, PictureEntry
from sdtui.core.text import shortened

REQUIRED: Any = MISSING
"""The default of a field that has none."""


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """The properties of a field besides its type and its default."""

    label: str
    """The name shown to users."""
    help: str
    """A sentence or two."""
    name: str = ""
    """Unique among all fields of a request; by default the name of the attribute."""

    ge: float | None = None
    le: float | None = None
    multiple_of: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    needs: str = ""
    """Unique name of another field that this one has no meaning without, besides its section's."""
    words: tuple[str, ...] = ()
    """Words that a file field takes in place of a path."""
    check: Callable[[Any], Any] | None = None
    """Returns the normalised value. Raises ValueError. Not called for None."""
    entries: type[PictureEntry] | None = None
    """What the texts of a list are, if each names a picture besides other things."""
    choices: Callable[[], Sequence[str]] | None = None
    """Valid texts; not needed for enums."""

    flags: tuple[str, ...] = ()
    """Of the command line; by default the name with dashes."""
    flag_help: str = ""
    """Added to the help of the flag."""
    metavar: str = ""

    widget: Literal["", "prompt", "model", "names"] = ""
    """The form's control, where the type alone doesn't determine it; "names" for one or several of
    the names that the backend has."""
    form_label: str = ""
    """A shorter label for the form."""
    step: float = 1
    """The change of a number per key press in the form."""
    first_step: float | None = None
    """The number that an open field takes at the first key press; by default one of its limits."""
    item_separator: str = ""
    """What stands between the texts of a list in the form, if they may have commas in them."""
    open_text: str = "auto"
    """What the form shows while the field is left open."""
    choice_names: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Choice → what the form shows for it, if that is something else."""
    group: str = "Picture"
    """The heading in the form under which the field stands."""
    chip: str = ""
    """The value in the line of chips, where it takes the place of `{}`; without it the field is
    shown there, with its label, only if the user changed it."""
    chip_short: str = ""
    """The same for a narrow window; by default `chip`."""
    joins_chip: bool = False
    """True if it is part of the previous field's chip."""
    letter: str = ""
    """The key that opens the chip's editor."""
    a1111: str = ""
    """The name in A1111's HTTP API."""
    a1111_option: str = ""
    """The name among A1111's options, which a request gives in `override_settings`."""
    a1111_names: Mapping[Any, str] = field(default_factory=dict, hash=False)
    """Choice, or True or False → A1111's name for it in infotext, if that is something else."""
    openai: str = ""
    """The name among the fields that sdtui adds to OpenAI's HTTP API."""
    search: tuple[str, ...] = ()
    """Names in the history's search language."""

    @property
    def shown_label(self) -> str:
        """The label in the form."""
        return self.form_label or self.label

    infotext: str = ""
    """The key in A1111's text about a picture."""
    aliases: tuple[str, ...] = ()
    """Names in the settings of other tools' pictures; case, blanks and punctuation are ignored."""
    native: bool = False
    """True if a model has its own value, which is used while the field is open."""
    is_rare: bool = False
    """True if few models have it: forms leave it out where it has neither effect nor value."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Called by pydantic: the type with its limits."""
        from pydantic import AfterValidator, BeforeValidator, Field

        annotations: list[Any] = [
            Field(
                ge=self.ge,
                le=self.le,
                multiple_of=self.multiple_of,
                min_length=self.min_length,
                max_length=self.max_length,
            )
        ]
        if without_none(source) is float:
            annotations.append(Field(allow_inf_nan=False))
        if self.check is not None:
            check = self.check
            annotations.append(
                AfterValidator(lambda value: None if value is None else check(value))
            )
        if without_none(source) is not bool:
            annotations.append(BeforeValidator(_not_bool))
        if without_none(source) is int:
            annotations.append(BeforeValidator(_whole))
        if self.entries is not None:
            annotations.append(AfterValidator(self._checked_entries))
            annotations.append(BeforeValidator(self._entry_texts))
        if get_origin(source) is tuple:
            annotations.append(BeforeValidator(_as_list))
        return handler.generate_schema(Annotated[(source, *annotations)])

    def _entry_texts(self, values: Any) -> Any:
        """Return the texts of entries, some of which may be objects."""
        if self.entries is None or not isinstance(values, list | tuple):
            return values
        return tuple(
            str(_entry(self.entries.of, each, str(each.get("name", ""))))
            if isinstance(each, Mapping)
            else each
            for each in values
        )

    def _checked_entries(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return entries in their usual spelling. Raises ValueError."""
        if self.entries is None:
            return texts
        return tuple(str(_entry(self.entries.parse, text, text)) for text in texts)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        """Called by pydantic: the JSON schema with the field's texts."""
        described = {**handler(schema), "description": self.help, "label": self.label}
        if self.entries is not None:
            described["items"] = {"anyOf": [{"type": "string"}, self.entries.json_schema()]}
        return described


def _not_bool(value: Any) -> Any:
    """JSON's true would pass as the number 1."""
    if isinstance(value, bool):
        raise ValueError(f"must not be {str(value).lower()}")
    return value


def _whole(value: Any) -> Any:
    """Clients may send whole numbers as floats, for which pydantic's limit is 2^63."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _entry(parse: Callable[[Any], PictureEntry], value: Any, shown: str) -> PictureEntry:
    """Parse an entry. Raises ValueError, with what is `shown` of it."""
    try:
        return parse(value)
    except EntryError as error:
        raise ValueError(f'"{shortened(shown)}" {error}') from error


def _as_list(value: Any) -> Any:
    """A list of one text, path or object may be that itself."""
    return (value,) if isinstance(value, str | Path | Mapping) else value


class Section:
    """Base of the frozen dataclasses that make up a request. Their fields are annotated with
    FieldSpecs, and pydantic validates them."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


class ListedSection(Section):
    """Base of sections that a request can have several of. `str` returns the short form that flags
    and the form accept, e.g. "name:0.8"."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse the short form. Raises ValueError with the problem."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Called by pydantic: an object, or the short text."""
        from pydantic_core.core_schema import no_info_before_validator_function

        def read(value: Any) -> Any:
            return cls.from_text(value) if isinstance(value, str) else value

        return no_info_before_validator_function(read, handler(source))


@dataclass(frozen=True)
class Field:
    """A field and its position in a request."""

    name: str
    path: tuple[str, ...]
    """The attributes from the request to the field, e.g. ("image_to_image", "strength")."""
    spec: FieldSpec
    annotation: Any
    """The type with the spec and, where the field can be left open, None."""
    type: type
    """Of a list, the class of each section or text in it."""
    default: Any = None
    """None leaves the field open."""
    is_key: bool = False
    """True if an optional section is there when this field has a value."""
    is_list: bool = False
    """True if there can be several values: sections, or texts."""
    items: tuple[Field, ...] = ()
    """The fields of each section in a list of sections."""

    @property
    def section(self) -> str:
        """The attribute of the request that holds the field's section; "" if there is none."""
        return self.path[0] if len(self.path) > 1 else ""

    @property
    def is_file(self) -> bool:
        """True if the value is the path of an input file, or a list of them."""
        return issubclass(self.type, Path)


def fields_in(kind: type, section: str = "", *, is_optional: bool = False) -> list[Field]:
    """Return the fields of a dataclass and of its sections, in order. A field without default in an
    optional section has the default None: while it is open, there is no such section."""
    hints = get_type_hints(kind, include_extras=True)
    found: list[Field] = []
    for each in fields(kind):
        hint = hints[each.name]
        plain, *annotations = get_args(hint) if get_origin(hint) is Annotated else [hint]
        spec = next((one for one in annotations if isinstance(one, FieldSpec)), None)
        if spec is None:
            found += fields_in(without_none(plain), each.name, is_optional=_may_be_none(plain))
            continue
        items: tuple[Field, ...] = ()
        is_list = get_origin(plain) is tuple
        if is_list:
            plain = get_args(plain)[0]
            items = tuple(fields_in(plain)) if issubclass(plain, Section) else ()
        is_key = is_optional and each.default is REQUIRED
        found.append(
            Field(
                name=spec.name or each.name,
                path=(section, each.name) if section else (each.name,),
                spec=spec,
                annotation=hint,
                type=without_none(plain),
                default=None if is_key else each.default,
                is_key=is_key,
                is_list=is_list,
                items=items,
            )
        )
    return found


def without_none(kind: Any) -> Any:
    """`X` of `X | None`."""
    if isinstance(kind, UnionType):
        return next(each for each in get_args(kind) if each is not NoneType)
    return kind


def _may_be_none(kind: Any) -> bool:
    return NoneType in get_args(kind)
