"""The dock: prompt, negative prompt, and the other values of the recipe as chips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.geometry import Offset
from textual.widgets import Static, TextArea

from sdtui.core.enums import Emphasis, PromptSyntax
from sdtui.core.samplers import calls_per_step
from sdtui.core.text import one_line
from sdtui.requests.sections.encoding import COMMA_BACKTRACK
from sdtui.tui.completions import Completions
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.prompt import PromptEditor
from sdtui.tui.recipe import Recipe
from sdtui.tui.widgets.chips import ChipLine

if TYPE_CHECKING:
    from sdtui.models import PromptReader, PromptReading, TokenCount, TokenCounter

_MOST_ROWS = 8
_OTHER_ROWS = 4
"""Rows of the frame, the negative prompt, and the chips."""
_MOST_NEGATIVE_ROWS = 4
_NEGATIVE = "negative prompt"
_READ_BY = {"prompt_syntax", "emphasis", "comma_backtrack", "num_inference_steps", "sampler"}
"""The other fields that say how a prompt is read."""
_FRAME_COLUMNS = 4
"""Of the frame's lower edge, which a text in it leaves free."""
_LINES_A_ROW = 5
"""A prompt may take one row of so many lines of the window: the rest is the picture's."""


def prompt_rows(window: int, least: int, needed: int) -> int:
    """Return the rows for a prompt of `needed` lines, in a window of so many lines; it has `least`
    rows when it is short."""
    most = max(least, min(_MOST_ROWS, window // _LINES_A_ROW))
    return max(least, min(needed, most))


def listed(texts: Sequence[str], place: int, columns: int) -> str:
    """Return the texts from a place on, and their number, as far as they fit into so many columns;
    the first one in any case."""
    first, *others = map(one_line, (*texts[place:], *texts[:place]))
    shown = f"{place + 1}/{len(texts)}  {first}"
    for text in others:
        longer = f"{shown} · {text}"
        if cell_len(longer) > columns:
            return shown
        shown = longer
    return shown


class Dock(Pane):
    """What the next picture will be. Enter in the prompt makes it."""

    TITLE = "Prompt"
    ABOUT = (
        "What the picture should show, what it should not show, and below, its other values: dim "
        "ones are the model's own or your settings', bright ones with a dot were changed by you. "
        "The number in the frame is how many of the model's tokens the prompt takes, of those in "
        "its chunks of 75; for other models than Stable Diffusion, what is struck out will not be "
        "seen."
    )
    DEFAULT_CSS = """
    Dock {
        height: auto;
        padding: 0 1;
        border: round $border-blurred;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        &:focus-within {
            border-left: round $accent;  /* the long lines would be sent again with each focus */
            border-right: round $accent;
            border-title-color: $accent;
            border-title-style: bold;
        }
        &:ansi:focus-within { border: heavy $accent; }
        &.-over { border-subtitle-color: $warning; }

        #negative-row { height: auto; }
        #minus { width: 2; color: $text-muted; }
        #negative { width: 1fr; }
    }
    """

    def __init__(self, recipe: Recipe, *, id: str = "dock") -> None:
        super().__init__(id=id)
        self.prompt = PromptEditor(recipe, "prompt", "What do you want to see?", id="prompt")
        self.negative = PromptEditor(recipe, "negative_prompt", _NEGATIVE, id="negative")
        self.prompt.below, self.negative.above = self.negative, self.prompt
        self.chips = ChipLine(recipe)
        self._least_rows = 1
        self._recipe = recipe
        self._counters: Mapping[str, TokenCounter] = {}
        self._reader: PromptReader | None = None
        self._samples: Mapping[str, Sequence[str]] = {}
        """What the prompts become, if they are templates, by their fields."""

    def compose(self) -> ComposeResult:
        yield self.prompt
        with Horizontal(id="negative-row"):
            yield Static("−", id="minus")
            yield self.negative
        yield self.chips

    def on_mount(self) -> None:
        self._recipe.subscribe(self._recipe_changed)

    @property
    def prompts(self) -> tuple[PromptEditor, PromptEditor]:
        """Both editors."""
        return self.prompt, self.negative

    @property
    def focused_prompt(self) -> PromptEditor:
        """The editor with the focus; without one, that of the prompt."""
        return self.negative if self.negative.has_focus else self.prompt

    def focus_target(self) -> PromptEditor:
        return self.prompt

    def remember(self, prompts: Sequence[str], negative_prompts: Sequence[str]) -> None:
        """Set the earlier prompts, newest last."""
        self.prompt.remember(prompts)
        self.negative.remember(negative_prompts)

    def use_names(self, names: Sequence[Completions], tags: Sequence[Completions]) -> None:
        """Complete these names and tags in both prompts."""
        for editor in self.prompts:
            editor.use_names(names, tags)

    def place_of(self, field: str) -> Offset:
        """Return the cell of the window where a field's value is shown."""
        return self.chips.place_of(field)

    @on(PromptEditor.Offered)
    def _show_offers(self, event: PromptEditor.Offered) -> None:
        """List completions in the frame, from the one that is drawn on; or the tokens again."""
        event.stop()
        if event.texts:
            self.set_footer(listed(event.texts, event.place, self.size.width - _FRAME_COLUMNS))
        else:
            self._measure(self.focused_prompt)

    # Height

    def set_rows(self, least: int) -> None:
        """Give a short prompt this many rows; a long one grows."""
        self._least_rows = least
        if self.is_attached:
            self._fit()
        else:
            self.prompt.styles.height = least

    def rows_for(self, prompt: int) -> int:
        """Return the rows of the dock if the prompt has this many."""
        return prompt + _OTHER_ROWS

    @on(TextArea.Changed)
    def _text_changed(self, event: TextArea.Changed) -> None:
        self._fit()
        self._measure(*(each for each in self.prompts if each is event.text_area))

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Give the prompts as many rows as their texts need, up to their share of the window."""
        window = self.screen.size.height
        needed = self.prompt.wrapped_document.height
        self._set_rows(self.prompt, prompt_rows(window, self._least_rows, needed))
        most = min(_MOST_NEGATIVE_ROWS, max(1, window // _LINES_A_ROW - 2))
        needed = self.negative.wrapped_document.height if self.negative.has_focus else 1
        self._set_rows(self.negative, max(1, min(needed, most)))

    def _set_rows(self, editor: PromptEditor, rows: int) -> None:
        if editor.styles.height is None or editor.styles.height.value != rows:
            editor.styles.height = rows
            editor.call_after_refresh(editor.scroll_cursor_visible)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._fit()
        self._measure(self.focused_prompt)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self._fit()
        self._measure(self.focused_prompt)
        if event.widget is self.negative:
            self.negative.scroll_home(animate=False)

    # Tokens

    def use_counters(
        self, counters: Mapping[str, TokenCounter], reader: PromptReader | None
    ) -> None:
        """Count tokens as this model's text encoders do. `reader` is None if they cut long
        prompts."""
        self._counters, self._reader = counters, reader
        self._measure(*self.prompts)

    def use_samples(self, samples: Mapping[str, Sequence[str]]) -> None:
        """Count these texts, by the fields of the prompts that become them, in their place."""
        if samples != self._samples:
            self._samples = samples
            self._measure(*self.prompts)

    def sample(self) -> str:
        """Return what the focused prompt may become; "" if it stays as it is."""
        editor = self.focused_prompt
        text = self._texts_of(editor)[0]
        return "" if text == editor.text else text

    def reading(self) -> PromptReading | None:
        """Return how the focused prompt is read, or what it may become; None if the model only cuts
        it."""
        editor = self.focused_prompt
        return self._read(editor, self._texts_of(editor)[0])

    def _texts_of(self, editor: PromptEditor) -> Sequence[str]:
        return self._samples.get(editor.field) or (editor.text,)

    def _read(self, editor: PromptEditor, text: str) -> PromptReading | None:
        if self._reader is None:
            return None
        recipe, backtrack = self._recipe, self._recipe["comma_backtrack"][:3]
        reader = replace(
            self._reader,
            syntax=PromptSyntax(recipe["prompt_syntax"]),
            emphasis=Emphasis(recipe["emphasis"]),
            comma_backtrack=int(backtrack) if backtrack.isdecimal() else COMMA_BACKTRACK,
            steps=recipe.steps or self._reader.steps,
            calls=calls_per_step(recipe.shown("sampler")),
        )
        return reader.read(text, is_negative=editor is self.negative)

    def _recipe_changed(self, fields: frozenset[str]) -> None:
        if fields & _READ_BY:
            self._measure(*self.prompts)
        if "negative_prompt" in fields:
            self._show_effect()

    def _show_effect(self) -> None:
        """Say why the negative prompt has no effect, if it has none, and strike it out."""
        reason = self._recipe.unused.get("negative_prompt")
        self.negative.placeholder = f"no effect: {reason}" if reason else _NEGATIVE
        self.negative.cut_from = 0 if reason else None
        self._measure(self.negative)

    def _measure(self, *prompts: PromptEditor) -> None:
        """Count the tokens of these prompts, and show those of the one with the focus."""
        if not self._counters:
            self.set_footer("")
            return
        for editor in prompts:
            texts = self._texts_of(editor)
            if self._reader is None:
                editor.cut_from = self._cut_from(editor.text) if texts == (editor.text,) else None
                counts = [self._roomiest(text) for text in texts]
            else:
                editor.cut_from = None
                readings = filter(None, (self._read(editor, text) for text in texts))
                counts = [(each.tokens, each.capacity) for each in readings]
            if editor.field in self._recipe.unused:
                editor.cut_from = 0
            if editor is self.focused_prompt:
                self._show_meter(counts)

    def _cut_from(self, text: str) -> int | None:
        """Return the place behind which no encoder sees the text: all of them cut it."""
        cuts = [counter.count(text).cut_from for counter in self._counters.values()]
        return max(cut for cut in cuts if cut is not None) if None not in cuts else None

    def _roomiest(self, text: str) -> tuple[int, int]:
        """Return the tokens of a text, and how many there may be, for the encoder with the most
        left: what it sees isn't cut (T5 in Flux and SD 3, whose CLIP sees the beginning alone)."""
        counts: list[TokenCount] = [each.count(text) for each in self._counters.values()]
        roomiest = max(counts, key=lambda count: count.limit - count.tokens)
        return roomiest.tokens, roomiest.limit

    def _show_meter(self, counts: Sequence[tuple[int, int]]) -> None:
        """Show the tokens of one or several texts, and how many there may be."""
        least = min(tokens for tokens, _ in counts)
        tokens, limit = max(counts)
        over = tokens > limit
        meter = (
            f"{tokens}/{limit} tokens" if least == tokens else f"{least}–{tokens}/{limit} tokens"
        )
        self.set_footer(f"{meter} · the end is cut off" if over else meter)
        self.set_class(over, "-over")
