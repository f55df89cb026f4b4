"""Asks how much larger pictures become, and by which upscaler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on
from textual.widget import Widget

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.tui.screens.search_dialog import SearchDialog
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.models import InstalledUpscaler

_FACTOR = re.compile(r"(\d+(?:\.\d+)?)[x×]?")
_SIZE = re.compile(r"(\d+)[x×](\d+)")
_USUAL_FACTOR = 2.0


class _UpscalerList(VirtualList["InstalledUpscaler"]):
    """The name of an upscaler, and the factor of its model."""

    def item_text(self, item: InstalledUpscaler, width: int) -> Text:
        text = Text(one_line(item.name))
        if item.scale is not None:
            text.append(f"  {item.scale}×", theme_style(self.app, "muted"))
        return text


class UpscaleScreen(SearchDialog):
    """Answers with the values of a request's fields."""

    choices: _UpscalerList

    def __init__(
        self,
        title: str,
        upscalers: Sequence[InstalledUpscaler],
        size: tuple[int, int] | None,
        last: str,
    ) -> None:
        """`size` is that of the only picture, None if there are several; `last` is the name of the
        upscaler that was chosen last."""
        super().__init__(f"Upscale · {title}", "2, 1.5 or 1920x1080; or part of a name")
        self._upscalers = upscalers
        self._picture_size = size
        self._last = last
        self.choices = _UpscalerList()
        self._status = StatusLine()

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
        values, problem = self._values(item)
        if problem:
            self._status.show(problem, is_wrong=True)
        else:
            self.answer(values)

    @on(VirtualList.Highlighted)
    def explain(self) -> None:
        """Say what would be made, or what is wrong."""
        item = self.choices.selected
        if item is None:
            self._status.show("No upscaler has such a name.", is_wrong=True)
            return
        values, problem = self._values(item)
        if problem:
            self._status.show(problem, is_wrong=True)
            return
        name = one_line(item.name)
        if self._picture_size is None:
            by = values.get("upscale_factor")
            how = f"by {by:g}" if by else f"to {values['upscale_width']}×{values['upscale_height']}"
            self._status.show(f"⏎ upscale {how} with {name}")
            return
        width, height = _new_size(values, *self._picture_size)
        self._status.show(
            f"{self._picture_size[0]}×{self._picture_size[1]} → {width}×{height} with {name}"
        )

    def narrow(self) -> None:
        """List the upscalers that match, and say what would be made."""
        super().narrow()
        self.explain()

    def _values(self, upscaler: InstalledUpscaler) -> tuple[dict[str, Any], str]:
        """Return the values for an upscaler and what was typed, and what is wrong with them."""
        from sdtui.core.errors import InvalidRequestError
        from sdtui.requests.request import GenerationRequest

        values: dict[str, Any] = {"upscaler": upscaler.name}
        for word in self.filter.value.split():
            if size := _SIZE.fullmatch(word):
                values |= {"upscale_width": int(size[1]), "upscale_height": int(size[2])}
            elif factor := _FACTOR.fullmatch(word):
                values["upscale_factor"] = float(factor[1])
        if len(values) == 1:
            values["upscale_factor"] = float(upscaler.scale or _USUAL_FACTOR)
        try:
            request = GenerationRequest.parse({"prompt": "", **values}, prompt_needed=False)
            if self._picture_size is not None:
                request.upscale.size_of(*self._picture_size)
        except InvalidRequestError as error:
            return values, "; ".join(one_line(each.message) for each in error.problems)
        except ValueError as error:
            return values, str(error)
        return values, ""


def _is_number(word: str) -> bool:
    return bool(_FACTOR.fullmatch(word) or _SIZE.fullmatch(word))


def _new_size(values: dict[str, Any], width: int, height: int) -> tuple[int, int]:
    from sdtui.requests.request import GenerationRequest

    request = GenerationRequest.parse({"prompt": "", **values}, prompt_needed=False)
    size = request.upscale.size_of(width, height)
    return size.crop_width, size.crop_height
