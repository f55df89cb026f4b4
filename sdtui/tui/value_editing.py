"""Editing one value of a recipe in a line: what can be chosen, and what a text means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from sdtui.core.errors import InvalidRequestError
from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.requests.request import random_seed
from sdtui.requests.sections.vae import OWN_VAE
from sdtui.requests.sizes import parse_size
from sdtui.tui.fields import FormField
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.recipe import Recipe

Then = Literal["done", "next", "previous"]
"""What follows when a value was taken: nothing more is asked, or the next or previous value."""
BROWSE = "browse"
"""The action of the option that opens a list of files."""


@dataclass(frozen=True)
class Option:
    """A line of the list above the text."""

    text: str
    """The text of the value."""
    label: str
    action: str = ""
    """What is done in place of taking the text."""


class WrongTextError(ValueError):
    """A text that is no value of the field; the message says why."""


class ValueEditing:
    """A field whose text is written as it is, such as a number."""

    needs_option = False
    """True if only what is listed can be taken."""
    replaces_text = True
    """True if what is typed takes the place of the text to begin with."""
    added_options: ClassVar[int] = 0
    """Options that may join the first ones while something is typed."""

    recipe: FormTexts

    def __init__(self, recipe: FormTexts, *names: str) -> None:
        self.recipe = recipe
        self.names = names
        self.field: FormField = recipe.fields[names[0]]

    @property
    def label(self) -> str:
        """What is edited."""
        return self.field.label

    @property
    def text(self) -> str:
        """The text to begin with."""
        return self.recipe[self.names[0]]

    @property
    def placeholder(self) -> str:
        """Shown while nothing is written."""
        return self._own_value

    @property
    def about(self) -> str:
        """What can be written."""
        low, high = self.field.minimum, self.field.maximum
        about = f"{low:g} to {high:g}, empty = {self._own_value}"
        return f"{about}{self._condition}"

    @property
    def _condition(self) -> str:
        """What the field needs besides, to have an effect."""
        return ""

    @property
    def _own_value(self) -> str:
        native = self.recipe.native(self.names[0])
        if native is None:
            return self.recipe.default(self.names[0]) or self.field.open_text
        return f"{native:g}" if isinstance(native, float) else str(native)

    def options(self, typed: str) -> Sequence[Option]:
        """Return what can be chosen, best first; `typed` is "" before anything is written."""
        return ()

    def current(self, options: Sequence[Option]) -> int | None:
        """Return the place of the present value, where the cursor begins."""
        return None

    def stepped(self, typed: str, by: int) -> str | None:
        """Return the text `by` steps away; None if the keys move in the list instead."""
        return self.field.stepped(typed.strip() or self.recipe.shown(self.names[0]), by)

    def completed(self, typed: str) -> str | None:
        """Return the text to which the tab key completes what is typed; None if it takes the value
        instead."""
        return None

    def texts(self, typed: str) -> dict[str, str]:
        """Return the texts of the fields for what was written. Raises WrongTextError."""
        texts = self.parse(typed)
        problems = self.recipe.problems_of(texts)
        for name, problem in problems.items():
            label = f"{self.recipe.fields[name].label}: " if len(self.names) > 1 else ""
            raise WrongTextError(f"{label}{problem}")
        return texts

    def parse(self, typed: str) -> dict[str, str]:
        """Return the texts that are checked then. Raises WrongTextError."""
        return {self.names[0]: typed.strip()}


class StrengthEditing(ValueEditing):
    """The strength, which needs an init image."""

    @property
    def _condition(self) -> str:
        return "" if self.recipe["init_image"].strip() else "; needs an init image"


class ChoiceEditing(ValueEditing):
    """A field with a few choices."""

    needs_option = True
    about: ClassVar[str] = "type to narrow the list"

    @property
    def text(self) -> str:
        return ""

    @property
    def placeholder(self) -> str:
        return self.recipe.shown(self.names[0])

    def options(self, typed: str) -> Sequence[Option]:
        listed = [Option(text, self._label(text)) for text in self.field.choices]
        found = ranked(typed, listed, lambda each: SearchText(each.label, each.text))
        spelled = self.field.spelled(typed) if typed else None
        meant = [each for each in listed if each.text == spelled]
        return [*meant, *(each for each in found if each not in meant)]

    def _label(self, text: str) -> str:
        own = self._own_value
        if text:
            return self.field.shown(text)
        return own if own == self.field.open_text else f"{self.field.open_text} · {own}"

    def current(self, options: Sequence[Option]) -> int | None:
        texts = [each.text for each in options]
        now = self.recipe[self.names[0]]
        return texts.index(now) if now in texts else 0

    def stepped(self, typed: str, by: int) -> str | None:
        return None


class SeedEditing(ValueEditing):
    """The seed: random, that of the last picture, or a new one that is kept."""

    recipe: Recipe

    about: ClassVar[str] = "a whole number, empty = random"

    def options(self, typed: str) -> Sequence[Option]:
        if typed.strip() not in ("", self.text):
            return ()
        last = self.recipe.last_seed
        return (
            Option(new := str(random_seed()), f"{new}  new, and kept"),
            *((Option(str(last), f"{last}  of the last picture"),) if last is not None else ()),
            Option("", "random for every job"),
        )

    def stepped(self, typed: str, by: int) -> str | None:
        if typed.strip() in ("", self.text):
            return None
        return super().stepped(typed, by)


class SizeEditing(ValueEditing):
    """Width and height in one."""

    recipe: Recipe

    about: ClassVar[str] = "such as 512x768, empty = the model's own"

    @property
    def label(self) -> str:
        return "Size"

    @property
    def text(self) -> str:
        sides = [self.recipe[name].strip() for name in self.names]
        return "x".join(sides) if all(sides) else " ".join(filter(None, sides))

    @property
    def placeholder(self) -> str:
        width, height = (self.recipe.shown(name) for name in self.names)
        return f"{width}x{height}"

    def options(self, typed: str) -> Sequence[Option]:
        usual = (_size(*each) for each in self.recipe.usual_sizes)
        sizes = [Option("", "the model's own"), *usual]
        text = typed.strip().replace("×", "x")
        return sizes if text in ("", self.text) else [each for each in sizes if text in each.text]

    def stepped(self, typed: str, by: int) -> str | None:
        return None

    def parse(self, typed: str) -> dict[str, str]:
        if not typed.strip():
            return dict.fromkeys(self.names, "")
        try:
            sides = parse_size(typed)
        except InvalidRequestError as error:
            raise WrongTextError(error.problems[0].message) from error
        return dict(zip(self.names, map(str, sides), strict=True))


def _size(width: int, height: int) -> Option:
    shape = "square" if width == height else "portrait" if width < height else "landscape"
    return Option(f"{width}x{height}", f"{width}×{height}  {shape}")


class PathEditing(ValueEditing):
    """A picture to start from."""

    about: ClassVar[str] = "a path, empty = none"

    def options(self, typed: str) -> Sequence[Option]:
        if typed not in ("", self.text):
            return ()
        return (Option(typed, "choose a file …", BROWSE), Option("", "none"))

    def stepped(self, typed: str, by: int) -> str | None:
        return None

    def texts(self, typed: str) -> dict[str, str]:
        """Return the path. Files are checked before a picture is queued."""
        return self.parse(typed)


class PathsEditing(PathEditing):
    """Several pictures."""

    about: ClassVar[str] = "paths with commas between them, empty = none"

    def options(self, typed: str) -> Sequence[Option]:
        if typed not in ("", self.text):
            return ()
        return (Option(typed, "add a file …", BROWSE), Option("", "none"))


class NamesEditing(ValueEditing):
    """Some of the names that there are, with commas between them."""

    about: ClassVar[str] = "names with commas between them, empty = none"

    def options(self, typed: str) -> Sequence[Option]:
        *before, last = typed.split(",")
        chosen = [each.strip() for each in before if each.strip()]
        known = self.recipe.known_names.get(self.names[0], ())
        others = [each for each in known if each not in chosen]
        found = ranked(last.strip(), others, lambda each: SearchText(each, ""))
        return [Option(", ".join([*chosen, each]), one_line(each)) for each in found]

    def stepped(self, typed: str, by: int) -> str | None:
        return None


class NameEditing(ChoiceEditing):
    """One of the names that there are, or a file."""

    about: ClassVar[str] = "type to narrow the list, or a path"

    def options(self, typed: str) -> Sequence[Option]:
        known = self.recipe.known_names.get(self.names[0], ())
        listed = [*self._without_name(), *(Option(each, one_line(each)) for each in known)]
        found = ranked(typed, listed, lambda each: SearchText(each.label, each.text))
        return [*found, Option(typed.strip(), f"the file {typed}")] if "/" in typed else found

    def _without_name(self) -> Sequence[Option]:
        """Return the options that come before the names."""
        return (Option("", self._label("")),)


class VaeEditing(NameEditing):
    """One of the VAEs that there are, or a file."""

    def _without_name(self) -> Sequence[Option]:
        return (
            Option("", "automatic: the one beside the model, else inside"),
            Option(OWN_VAE, f"{OWN_VAE}: the one inside the model"),
        )


def editing_of(recipe: Recipe, name: str) -> ValueEditing:
    """Return how a field of the recipe is edited; width and height together."""
    if name in ("width", "height"):
        return SizeEditing(recipe, "width", "height")
    if name == "strength":
        return StrengthEditing(recipe, name)
    if name == "seed":
        return SeedEditing(recipe, name)
    if name == "vae":
        return VaeEditing(recipe, name)
    if name == "styles":
        return NamesEditing(recipe, name)
    return plain_editing(recipe, name)


def plain_editing(recipe: FormTexts, name: str) -> ValueEditing:
    """Return how a field of any form is edited."""
    field = recipe.fields[name]
    if field.choices:
        return ChoiceEditing(recipe, name)
    if field.kind == "names":
        return NameEditing(recipe, name)
    if field.kind == "paths":
        return PathsEditing(recipe, name)
    return PathEditing(recipe, name) if field.kind == "path" else ValueEditing(recipe, name)
