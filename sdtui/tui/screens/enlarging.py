"""Asks how much larger pictures become, and by which upscaler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text
from textual import on
from textual.widget import Widget

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.tui.fields import label_of
from sdtui.tui.screens.search_dialog import SearchDialog
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.models import InstalledUpscaler

_NUMBER = re.compile(r"(\d*[.,]?\d+)[x×]?")
_Value = TypeVar("_Value")
_SIZE = re.compile(r"(\d+)[x×](\d+)")


class _UpscalerList(VirtualList["InstalledUpscaler"]):
    """The name of an upscaler, and the factor of its model."""

    def item_text(self, item: InstalledUpscaler, width: int) -> Text:
        text = Text(one_line(item.name))
        if item.scale is not None:
            text.append(f"  {item.scale}×", theme_style(self.app, "muted"))
        return text


class EnlargingScreen(SearchDialog):
    """Answers with the values of a request's fields. Numbers are typed beside a part of an
    upscaler's name; subclasses say which fields they are for."""

    choices: _UpscalerList

    def __init__(
        self,
        title: str,
        placeholder: str,
        upscalers: Sequence[InstalledUpscaler],
        size: tuple[int, int] | None,
        last: str,
    ) -> None:
        """`size` is that of the only picture, None if there are several; `last` is the name of the
        upscaler that was chosen last."""
        super().__init__(title, placeholder)
        self._upscalers = upscalers
        self._picture_size = size
        self._last = last
        self.choices = _UpscalerList()
        self._status = StatusLine()

    def values_for(
        self, upscaler: InstalledUpscaler, numbers: Sequence[float], size: tuple[int, int] | None
    ) -> dict[str, Any]:
        """Return the values of the fields for what was typed. Raises ValueError."""
        raise NotImplementedError

    def explained(self, values: dict[str, Any], before: tuple[int, int] | None, name: str) -> str:
        """Say what is made of pictures whose size was `before`, None if they are several. Raises
        InvalidRequestError or ValueError."""
        raise NotImplementedError

    def below(self) -> tuple[Widget, ...]:
        return (self._status,)

    def matches(self, query: str) -> Sequence[InstalledUpscaler]:
        """Return the upscalers that match what was typed besides numbers."""
        words = " ".join(each for each in query.split() if not _is_number(each))
        return ranked(words, self._upscalers, lambda each: SearchText(each.name))

    def first_place(self, query: str) -> int:
        """Begin on the upscaler that was chosen last."""
        names = [each.name for each in self.choices.items]
        is_searched = any(not _is_number(each) for each in query.split())
        return names.index(self._last) if self._last in names and not is_searched else 0

    async def choose(self, item: InstalledUpscaler) -> None:
        values, text = self._answer(item)
        if values is None:
            self._status.show(text, is_wrong=True)
        else:
            self.answer(values)

    @on(VirtualList.Highlighted)
    def explain(self) -> None:
        """Say what would be made, or what is wrong."""
        item = self.choices.selected
        if item is None:
            self._status.show("No upscaler has such a name.", is_wrong=True)
        else:
            values, text = self._answer(item)
            self._status.show(text, is_wrong=values is None)

    def narrow(self) -> None:
        """List the upscalers that match, and say what would be made."""
        super().narrow()
        self.explain()

    def _answer(self, upscaler: InstalledUpscaler) -> tuple[dict[str, Any] | None, str]:
        """Return the values for what was typed and what would be made, or None and what is
        wrong."""
        from sdtui.core.errors import InvalidRequestError

        words = self.filter.value.split()
        sizes = [(int(each[1]), int(each[2])) for each in map(_SIZE.fullmatch, words) if each]
        numbers = [
            float(each[1].replace(",", ".")) for each in map(_NUMBER.fullmatch, words) if each
        ]
        try:
            values = self.values_for(upscaler, numbers, only(sizes, "sizes"))
            return values, self.explained(values, self._picture_size, one_line(upscaler.name))
        except InvalidRequestError as error:
            problems = (f"{label_of(each.field)} {each.message}" for each in error.problems)
            return None, one_line("; ".join(problems))
        except ValueError as error:
            return None, str(error)


def only(values: Sequence[_Value], name: str) -> _Value | None:
    """Return the only value, or None if there is none. Raises ValueError if there are several; they
    are called by `name`."""
    if len(values) > 1:
        raise ValueError(f"{len(values)} {name} were typed: one is enough")
    return values[0] if values else None


def _is_number(word: str) -> bool:
    return bool(_NUMBER.fullmatch(word) or _SIZE.fullmatch(word))
