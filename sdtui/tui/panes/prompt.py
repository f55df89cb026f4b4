"""The editor of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult, Location

from sdtui.core.text import escape_same_width, visible
from sdtui.core.typed_paths import PathTextError, parse_typed_paths
from sdtui.tui.bindings import bindings_in
from sdtui.tui.completions import Completions, EarlierPrompts
from sdtui.tui.messages import PathPasted
from sdtui.tui.recipe import Recipe
from sdtui.tui.textual_internals.widgets import KeyTextArea

_CUT = Style(strike=True, dim=True)
_OWN_KEYS = {
    "backspace": "delete_left",
    "delete": "delete_right",
    "left": "cursor_left",
    "right": "cursor_right",
    "up": "cursor_up",
    "down": "cursor_down",
    "home": "cursor_line_start",
    "end": "cursor_line_end",
}
"""Textual's actions for keys that are typed as fast as letters."""


class PromptEditor(KeyTextArea):
    """Edits a prompt of the recipe. What no text encoder will see is struck out; earlier prompts
    come back with the arrow keys at the edge that is away from the other prompt, and complete what
    is written."""

    DEFAULT_CSS = """
    PromptEditor {
        height: 1;
        padding: 0;
        border: none;
        background: transparent;
        scrollbar-size-vertical: 1;
        &:focus { border: none; }
        .text-area--placeholder, .text-area--suggestion { color: $muted; }
        &:ansi .text-area--placeholder { color: ansi_default; text-style: dim; }
        &:ansi .text-area--suggestion { color: ansi_default; text-style: dim; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("prompt")

    cut_from: reactive[int | None] = reactive(None)

    class Submitted(Message):
        """The user wants a picture of the recipe."""

    class Explained(Message):
        """The user wants to see how the prompt is read."""

    class Offered(Message):
        """Everything that the prompt may go on with is offered; `place` is what is drawn. No more,
        if there are no texts."""

        def __init__(self, texts: Sequence[str] = (), place: int = 0) -> None:
            super().__init__()
            self.texts = texts
            self.place = place

    def __init__(self, recipe: Recipe, field: str, placeholder: str, *, id: str) -> None:
        super().__init__(
            tab_behavior="focus",
            placeholder=placeholder,
            compact=True,
            highlight_cursor_line=False,
            id=id,
        )
        self.cursor_blink = False  # drawn twice a second, it was half of what an idle app takes
        self.recipe = recipe
        self.field = field
        self.above: Widget | None = None
        self.below: Widget | None = None
        """What gets the focus when the cursor goes over the first or the last line; earlier prompts
        are at the other edge."""
        self.earlier_prompts: Sequence[str] = ()
        self.completions: Sequence[Completions] = ()
        """The first that has one completes; the names that were read come before earlier prompts,
        and the list of tags after them."""
        self._names: Sequence[Completions] = ()
        self._tags: Sequence[Completions] = ()
        self._earlier = EarlierPrompts(())
        self._offered: _Offer | None = None
        """What the user chose among all completions, and hasn't taken yet."""
        self._offered_at: Location = (0, 0)
        self._place = 0
        self._drafts: dict[int, str] = {}
        """The text of each place when it was left, since it may have been edited."""

    @property
    def text(self) -> str:
        return super().text

    @text.setter
    def text(self, text: str) -> None:
        """Change the recipe, which the editor shows."""
        self.recipe.change({self.field: text})

    def on_mount(self) -> None:
        self._show(self.recipe[self.field])
        self.recipe.subscribe(self._follow)

    def _follow(self, fields: frozenset[str]) -> None:
        """Show the recipe's text, if it was changed elsewhere."""
        text = self.recipe[self.field]
        if self.field in fields and text != self.text:
            self._reset_place()
            self._show(text)

    def _show(self, text: str) -> None:
        """Show a text with the cursor behind what differs from the text before."""
        before = self.text
        same = _same_end(before, text)
        self.load_text(text)
        self.move_cursor(_location(text, len(text) - same))

    def edit(self, edit: Edit) -> EditResult:
        """Change the text, and the recipe with it. Letters that are typed or deleted one after the
        other are one step."""
        result = super().edit(edit)
        is_typing = len(edit.text) <= 1 and len(result.replaced_text) <= 1
        merge = f"typing {self.field}" if is_typing else ""
        self.recipe.change({self.field: self.text}, merge=merge)
        return result

    def watch_cut_from(self) -> None:
        self.notify_style_update()
        self.refresh()

    def get_line(self, line_index: int) -> Text:
        """Return a line as displayed: control characters are replaced, and truncated text is struck
        out."""
        plain = self.document.get_line(line_index)
        text = Text(escape_same_width(plain), end="", no_wrap=True)
        if self.cut_from is not None:
            above = self.document.lines[:line_index]
            start = sum(len(line) for line in above) + len(above)
            text.stylize(_CUT, max(0, self.cut_from - start))
        return text

    # Keys

    def refuses(self, event: events.Key) -> bool:
        """Leave enter to its action."""
        return event.key == "enter"

    def handles_itself(self, typed: events.Key | events.Paste) -> bool:
        """Return True for keys that this widget handles itself, in the order in which they come;
        not for those that may move the focus."""
        if isinstance(typed, events.Paste) or typed.key in ("up", "down"):
            return False
        return typed.is_printable or typed.key in _OWN_KEYS

    async def after_key(self, event: events.Key) -> None:
        if event.key in _OWN_KEYS:
            event.stop()
            event.prevent_default()
            await self.run_action(_OWN_KEYS[event.key])

    def after_paste(self, pasted: str, before: str) -> None:
        """Post the path of a dropped file, which may be meant as init image."""
        try:
            paths = parse_typed_paths(pasted)
        except PathTextError:
            return
        if len(paths) == 1 and paths[0].is_absolute():
            self.post_message(PathPasted(self.field, paths[0], before, self.text))

    def action_generate(self) -> None:
        self.post_message(self.Submitted())

    def action_explain(self) -> None:
        self.post_message(self.Explained())

    def action_new_line(self) -> None:
        self.replace("\n", *self.selection)

    def action_undo(self) -> None:
        self.recipe.undo()

    def action_redo(self) -> None:
        self.recipe.redo()

    # Completion

    def update_suggestion(self) -> None:
        """Offer what the text may go on with, at its end."""
        self.suggestion = ""
        self._offered = None
        if not (self.has_focus and self._at_end):
            return
        text = self.text
        rests = (source.complete(text) for source in self.completions)
        self.suggestion = _drawable(next(filter(None, rests), ""))

    def action_next_completion(self) -> None:
        """Offer the next of all that the text before the cursor may go on with."""
        if not self.selection.is_empty:
            return
        offers = self._offers()
        if not offers:
            return
        drawn = [offer.drawn for offer in offers]
        place = drawn.index(self.suggestion) + 1 if self.suggestion in drawn else 0
        place %= len(offers)
        self._offered, self._offered_at = offers[place], self.cursor_location
        self.suggestion = drawn[place]
        self.post_message(self.Offered([offer.name for offer in offers], place))

    def _offers(self) -> Sequence[_Offer]:
        """Return what the text before the cursor may go on with, without what can't be drawn."""
        line, column = self.cursor_location
        written = self.document.get_line(line)[:column]
        text = self.get_text_range((0, 0), self.cursor_location)
        word = written[written.rfind(" ") + 1 :]
        rests = (rest for source in self.completions for rest in source.candidates(text))
        replacements = (each for source in self.completions for each in source.replacements(text))
        return list(
            dict.fromkeys(
                (
                    *(_Offer(rest, word + rest) for rest in map(_drawable, rests) if rest),
                    *(
                        _Offer(each.text, each.text, each.written)
                        for each in replacements
                        if _drawable(each.text) == each.text
                    ),
                )
            )
        )

    @property
    def _at_end(self) -> bool:
        return self.selection.is_empty and self.cursor_at_end_of_text

    @on(TextArea.SelectionChanged)
    def _cursor_moved(self) -> None:
        is_at_offer = self._offered is not None and self.cursor_location == self._offered_at
        if self.suggestion and not self._at_end and not is_at_offer:
            self.suggestion = ""
            self._offered = None
            self.post_message(self.Offered())

    def action_cursor_right(self, select: bool = False) -> None:
        if not self._take_suggestion():
            super().action_cursor_right(select)

    def action_cursor_line_end(self, select: bool = False) -> None:
        if not self._take_suggestion():
            super().action_cursor_line_end(select)

    def _take_suggestion(self) -> bool:
        suggestion, offered = self.suggestion, self._offered
        self.suggestion, self._offered = "", None
        if offered is not None and offered.drawn == suggestion:
            line, column = self.cursor_location
            self.replace(offered.text, (line, column - offered.written), (line, column))
        elif suggestion:
            self.insert(suggestion)
        return bool(suggestion)

    # Earlier prompts

    def action_cursor_up(self, select: bool = False) -> None:
        at_edge = not select and self.navigator.is_first_wrapped_line(self.cursor_location)
        if not (at_edge and self._leave(self.above, self.below)):
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        at_edge = not select and self.navigator.is_last_wrapped_line(self.cursor_location)
        if not (at_edge and self._leave(self.below, self.above)):
            super().action_cursor_down(select)

    def _leave(self, there: Widget | None, opposite: Widget | None) -> bool:
        """Go over an edge: to a later prompt and then to the widget there, or, if there is none,
        to an earlier prompt. Returns False if there is neither."""
        if there is None and opposite is not None:
            return self._recall(self._place + 1)
        if self._recall(self._place - 1):
            return True
        if there is not None:
            self.screen.set_focus(there)
        return there is not None

    def _recall(self, place: int) -> bool:
        if not 0 <= place <= len(self.earlier_prompts):
            return False
        self._drafts[self._place] = self.text
        text = self._drafts[place] if place in self._drafts else self.earlier_prompts[-place]
        self.load_text(text)
        self.move_cursor(self.document.end)
        self._place = place
        self.recipe.change({self.field: text}, merge=f"recalling {self.field}")
        return True

    def remember(self, prompts: Sequence[str]) -> None:
        """Set the earlier prompts, newest last."""
        self.earlier_prompts = prompts
        self._earlier = EarlierPrompts(prompts)
        self._join_completions()
        self._reset_place()

    def use_names(self, names: Sequence[Completions], tags: Sequence[Completions]) -> None:
        """Complete these names, and these tags after earlier prompts."""
        self._names, self._tags = names, tags
        self._join_completions()
        if self.has_focus:
            self.update_suggestion()

    def _join_completions(self) -> None:
        self.completions = (*self._names, self._earlier, *self._tags)

    def _reset_place(self) -> None:
        self._place = 0
        self._drafts.clear()


class _Offer(NamedTuple):
    """A completion among others."""

    text: str
    name: str
    """How it is listed."""
    written: int = 0
    """Characters before the cursor that it replaces."""

    @property
    def drawn(self) -> str:
        """What is drawn behind the cursor."""
        return f" → {self.text}" if self.written else self.text


def _drawable(text: str) -> str:
    """Return the first line of a completion, which is all that is drawn and taken; "" if it holds
    what must not reach a terminal."""
    first = text.split("\n", 1)[0]
    return first if visible(first, keep="") == first else ""


def _same_end(one: str, other: str) -> int:
    """Return how many characters at the end of two texts are the same."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count


def _location(text: str, place: int) -> Location:
    """Return line and column of a place in a text."""
    before = text[:place].splitlines() if text[:place] else [""]
    if text[:place].endswith(("\n", "\r")):
        before.append("")
    return len(before) - 1, len(before[-1])
