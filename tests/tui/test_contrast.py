"""Text and focus can be read in every theme, computed from its colours."""

from __future__ import annotations

from dataclasses import fields

import pytest
from rich.color import Color as RichColor
from rich.color import ColorType
from textual.color import Color

from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.themes import (
    CONTRAST,
    DARK,
    FOCUS_CONTRAST,
    LIGHT,
    OWN_THEMES,
    TEXT_CONTRAST,
    Roles,
    contrast,
)
from sdtui.tui.widgets.key_bar import KeyBar
from tests.support.app_harness import AppHarness, running

XTERM = (
    *("#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5"),
    *("#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff"),
)
"""The 16 colours of xterm."""
ROLES = [each.name.replace("_", "-") for each in fields(Roles)]
NO_TEXT = {"focus", "focus-text", "frame"}
BACKGROUNDS = ("background", "surface", "panel")
FAINT = 2 / 3
"""How much of the text's colour is left if a terminal writes it faintly, as in xterm."""
THEMES = [*(theme.name for theme in OWN_THEMES), "nord", "gruvbox", "solarized-light", "ansi-dark"]


class Palette:
    """The colours that are seen in a theme."""

    def __init__(self, theme: str) -> None:
        app = ThemedApp()
        app.theme = theme
        self._variables = app.get_css_variables()
        self.is_ansi, self._is_dark = app.native_ansi_color, app.current_theme.dark

    def colour(self, name: str) -> Color:
        """Return what the terminal makes of a variable."""
        colour = Color.parse(self._variables[name])
        is_behind = name in BACKGROUNDS
        number = colour.ansi
        if self.is_ansi and (number == -1 or colour.a == 0):
            return Color.parse("#000000" if is_behind is self._is_dark else "#ffffff")
        if number is not None:
            return Color.parse(XTERM[number])
        return colour

    def text(self, role: str) -> Color:
        """Return the colour of text in a role."""
        colour = self.colour(role)
        if role == "muted" and self.is_ansi:
            return self.colour("background").blend(colour, FAINT, alpha=1)
        return colour


@pytest.fixture(params=THEMES)
def palette(request: pytest.FixtureRequest) -> Palette:
    return Palette(request.param)


@pytest.mark.parametrize("role", [role for role in ROLES if role not in NO_TEXT])
@pytest.mark.parametrize("behind", BACKGROUNDS)
def test_text_of_every_role_can_be_read(palette: Palette, role: str, behind: str) -> None:
    assert contrast(palette.text(role), palette.colour(behind)) >= TEXT_CONTRAST


@pytest.mark.parametrize("role", [role for role in ROLES if role not in NO_TEXT])
def test_text_can_be_read_without_colour(palette: Palette, role: str) -> None:
    if palette.is_ansi:
        pytest.skip("no colours at all are left, only the terminal's own")
    text, behind = palette.text(role).monochrome, palette.colour("background").monochrome
    assert contrast(text, behind) >= TEXT_CONTRAST


def test_the_focus_is_seen_and_its_text_can_be_read(palette: Palette) -> None:
    focus = palette.colour("focus")
    assert contrast(focus, palette.colour("focus-text")) >= TEXT_CONTRAST
    for behind in BACKGROUNDS:
        assert contrast(focus, palette.colour(behind)) >= FOCUS_CONTRAST
        assert contrast(palette.colour("accent"), palette.colour(behind)) >= FOCUS_CONTRAST
    assert contrast(palette.colour("frame"), palette.colour("background")) >= FOCUS_CONTRAST


@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name, CONTRAST.name])
def test_states_differ_in_their_colours(theme: str) -> None:
    palette = Palette(theme)
    states = [palette.colour(role).hex for role in ("running", "done", "warning", "error")]
    assert len({*states}) == len(states)


def seen_colour(colour: RichColor | None, *, dark: bool, behind: bool) -> Color:
    """Return what a terminal with xterm's colours shows: light on black in a dark theme, and black
    on white in others."""
    if colour is None or colour.is_default:
        return Color.parse("#000000" if behind is dark else "#e5e5e5" if dark else "#ffffff")
    if colour.type is ColorType.STANDARD:
        return Color.parse(XTERM[colour.number or 0])
    return Color.from_rich_color(colour)


def faint_texts(harness: AppHarness) -> set[str]:
    """Return the texts on the screen that can't be read. Frames and pictures are no text."""
    found, dark = set(), harness.app.current_theme.dark
    for strip in harness.screen_strips():
        for text, style, _ in strip:
            words = "".join(sign for sign in text if not "\u2500" <= sign <= "\u259f").strip()
            if not words or style is None:
                continue
            front = seen_colour(style.color, dark=dark, behind=False)
            behind = seen_colour(style.bgcolor, dark=dark, behind=True)
            if style.reverse:
                front, behind = behind, front
            if style.dim:
                front = behind.blend(front, FAINT, alpha=1)
            if contrast(front, behind) < TEXT_CONTRAST:
                found.add(f"{words}: {front.hex} on {behind.hex}")
    return found


VIEWS = {
    "prompt": ("escape",),
    "gallery": ("f4", "down"),
    "recipe": ("2",),
    "queue": ("3",),
    "info": ("4",),
    "log": ("5",),
    "keys": ("question_mark",),
    "places": ("escape", "ctrl+o"),
    "commands": ("escape", "ctrl+p"),
    "model": ("escape", "alt+m"),
    "settings": ("escape", "f9"),
    "manual": ("escape", "f1", "f1"),
    "full screen": ("escape", "f6"),
}
"""Keys that lead from each view to the next."""


@pytest.mark.parametrize("theme", [*(theme.name for theme in OWN_THEMES), "gruvbox"])
async def test_everything_on_the_screen_can_be_read(harness: AppHarness, theme: str) -> None:
    async with running(harness):
        harness.app.theme = theme
        await harness.generate("a cat", negative_prompt="")
        await harness.finished()
        harness.app.main.query_one(KeyBar).clear_message()
        for view, keys in VIEWS.items():
            await harness.press(*keys)
            await harness.settled()
            assert faint_texts(harness) == set(), view
