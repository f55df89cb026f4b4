"""The texts of a form's fields, and undoing their changes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from sdtui.requests.field_table import FieldTable
from sdtui.tui.fields import FormField, decimal_of, field_text, form_fields, problems_of

Listener = Callable[[frozenset[str]], None]
"""Called with the names of the fields whose text, problem, effect, or value of the model has
changed."""

MAX_STEPS = 200
"""Changes that can be undone."""
_PAUSE_SECONDS = 1.0
_STEP_SECONDS = 5.0
"""Changes of the same kind are one step if less time lies between two of them, and less of the
other between the first and the last."""


class FormTexts:
    """What rows of a form show and change; none has texts of its own.

    A field has a text, as a person writes it; "" leaves the value open.
    """

    def __init__(
        self,
        table: FieldTable,
        settings: Mapping[str, object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settings` are the values that fields have by default, by name; `clock` returns
        seconds."""
        self._table = table
        self.fields: dict[str, FormField] = {each.name: each for each in form_fields(table)}
        self._defaults = {name: each.default for name, each in self.fields.items()}
        self._defaults |= {name: field_text(value) for name, value in settings.items()}
        self._prompts = {name for name, each in self.fields.items() if each.kind == "prompt"}
        self._clock = clock
        self._texts: dict[str, str] = dict(self._defaults)
        self._undo: deque[dict[str, str]] = deque(maxlen=MAX_STEPS)
        self._redo: list[dict[str, str]] = []
        self._merge = ""
        self._step_began = self._step_changed = 0.0
        self._problems: Mapping[str, str] = {}
        self._unused: Mapping[str, str] = {}
        self._listeners: list[Listener] = []
        self.known_names: Mapping[str, Sequence[str]] = {}
        """What there is to name in a field, as far as it was read."""

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    @property
    def texts(self) -> dict[str, str]:
        """The text of every field."""
        return dict(self._texts)

    def subscribe(self, listener: Listener, *, prompts: bool = True) -> Callable[[], None]:
        """Call `listener` after every change; without `prompts`, not for each letter that is
        written in them. Returns a function that ends it."""

        def call(fields: frozenset[str]) -> None:
            if prompts or not fields <= self._prompts:
                listener(fields)

        self._listeners.append(call)
        return lambda: self._listeners.remove(call)

    def restore(self, saved: Mapping[str, str]) -> None:
        """Begin with the defaults and the saved texts, but for choices that no field has: another
        version may have had them. It can't be undone."""
        known = {
            name: text
            for name, text in saved.items()
            if name in self.fields
            and (not self.fields[name].choices or text in self.fields[name].choices)
        }
        self._undo.clear()
        self._redo.clear()
        self._merge = ""
        self._show({**self._defaults, **known})

    def use_default(self, name: str, text: str) -> None:
        """Let a field have another default, and its value if that was the default. It can't be
        undone."""
        if text == self._defaults[name]:
            return
        texts = dict(self._texts)
        if texts[name] == self._defaults[name]:
            texts[name] = text
        self._defaults[name] = text
        self._show(texts)

    def change(self, texts: Mapping[str, str], *, merge: str = "") -> None:
        """Set the texts of some fields, in one step.

        `merge` names the kind of change, such as typing in one field: it becomes part of the
        previous step if that is recent and was of the same kind. With a field that is emptied,
        those that need it are: a mask goes with its init image.
        """
        after = {**self._texts, **{name: texts[name] for name in texts if name in self._texts}}
        after |= self._left_alone(after)
        if after == self._texts:
            return
        now = self._clock()
        is_same_step = (
            merge != ""
            and merge == self._merge
            and now - self._step_changed < _PAUSE_SECONDS
            and now - self._step_began < _STEP_SECONDS
        )
        if not is_same_step:
            self._undo.append(self._texts)
            self._step_began = now
        self._redo.clear()
        self._merge, self._step_changed = merge, now
        self._show(after)

    def _left_alone(self, after: Mapping[str, str]) -> dict[str, str]:
        """Return empty texts for the fields that switch something on, but for one that was just
        emptied."""
        emptied = {name for name, text in after.items() if not text and self._texts[name]}
        fields = self.fields.values()
        return {each.name: "" for each in fields if each.is_key and each.needs in emptied}

    def undo(self) -> bool:
        """Take the last step back. Returns False if there is none."""
        return self._go_back(self._undo, self._redo)

    def redo(self) -> bool:
        """Repeat the last step that was undone. Returns False if there is none."""
        return self._go_back(self._redo, self._undo)

    def _go_back(
        self,
        steps: deque[dict[str, str]] | list[dict[str, str]],
        others: deque[dict[str, str]] | list[dict[str, str]],
    ) -> bool:
        self._merge = ""
        if not steps:
            return False
        others.append(self._texts)
        self._show(steps.pop())
        return True

    def _show(self, texts: dict[str, str]) -> None:
        before, self._texts = self._texts, texts
        self._notify(frozenset(name for name in texts if texts[name] != before[name]))

    def _notify(self, names: frozenset[str]) -> None:
        if names:
            for listener in tuple(self._listeners):
                listener(names)

    def default(self, name: str) -> str:
        """Return the text of a field that the user hasn't changed."""
        return self._defaults[name]

    @property
    def changed_texts(self) -> dict[str, str]:
        """The texts that aren't the settings': what is saved, so that the other fields follow the
        settings when they change."""
        return {name: text for name, text in self._texts.items() if text != self._defaults[name]}

    def is_changed(self, name: str) -> bool:
        """True if a value is neither the default nor the model's own."""
        value = self._plain(name, self._texts[name])
        return value not in (self._plain(name, self._defaults[name]), self._plain_native(name))

    def equals(self, texts: Mapping[str, str]) -> bool:
        """True if these fields have the values of these texts."""
        return all(
            self._plain(name, self._texts[name]) == self._plain(name, text)
            for name, text in texts.items()
        )

    def _plain(self, name: str, text: str) -> object:
        """Return a text as it is compared: numbers by their value."""
        text = text.strip() or self._defaults[name].strip()
        if self.fields[name].kind in ("integer", "number"):
            number = decimal_of(text)
            return text if number is None else number
        return text

    def _plain_native(self, name: str) -> object:
        native = self.native(name)
        return None if native is None else self._plain(name, field_text(native))

    def native(self, name: str) -> object:
        """Return the value that a field has while it is open; None if there is none."""
        return None

    def leaves_out(self, name: str) -> bool:
        """Return True for a field that isn't shown."""
        return False

    def problems_of(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the texts of some fields, files apart: field → message."""
        return problems_of(texts, {}, self._table)

    def shown(self, name: str) -> str:
        """Return what is shown for a field: its value, or that which is used while it is open."""
        field, text = self.fields[name], self._texts[name].strip()
        native = self.native(name)
        return field.shown(
            text or self._defaults[name] or ("" if native is None else field_text(native))
        )

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong with the values of fields, as far as they have been checked."""
        return self._problems

    @problems.setter
    def problems(self, problems: Mapping[str, str]) -> None:
        before, self._problems = self._problems, dict(problems)
        self._notify(_differing(before, problems))

    @property
    def unused(self) -> Mapping[str, str]:
        """Why fields have no effect with the model."""
        return self._unused

    @unused.setter
    def unused(self, unused: Mapping[str, str]) -> None:
        before, self._unused = self._unused, dict(unused)
        self._notify(_differing(before, unused))


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    names = {*before, *after}
    return frozenset(name for name in names if before.get(name) != after.get(name))
