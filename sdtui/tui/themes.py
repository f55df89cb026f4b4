"""The app's own themes."""

from __future__ import annotations

from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="sdtui-dark",
    primary="#7aa2f7",
    secondary="#9aa5ce",
    accent="#7aa2f7",
    foreground="#c8cfe6",
    background="#15161e",
    surface="#1d1f2b",
    panel="#2b2e40",
    success="#9ece6a",
    warning="#e0af68",
    error="#f7768e",
    dark=True,
    variables={"border-blurred": "#3d4260"},
)
LIGHT = Theme(
    name="sdtui-light",
    primary="#2f5fb3",
    secondary="#5b6478",
    accent="#2f5fb3",
    foreground="#22262f",
    background="#f7f7f5",
    surface="#ececea",
    panel="#d9dad6",
    success="#3d7a2a",
    warning="#8a5a00",
    error="#b3263b",
    dark=False,
    variables={"border-blurred": "#b9bab5"},
)
CONTRAST = Theme(
    name="sdtui-contrast",
    primary="#ffff00",
    secondary="#ffffff",
    accent="#ffff00",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#3a3a3a",
    success="#00ff00",
    warning="#ffd000",
    error="#ff6060",
    dark=True,
    text_alpha=1.0,
    variables={"border-blurred": "#9a9a9a"},
)


def _of_the_terminal(base: str, name: str) -> Theme:
    """Return Textual's theme of the terminal's own 16 colours, with visible frames."""
    theme = BUILTIN_THEMES[base]
    frames = {"border-blurred": "ansi_bright_black"}
    return replace(theme, name=name, variables={**theme.variables, **frames})


DARK_16 = _of_the_terminal("ansi-dark", "sdtui-16-dark")
LIGHT_16 = _of_the_terminal("ansi-light", "sdtui-16-light")

OWN_THEMES = (DARK, LIGHT, CONTRAST, DARK_16, LIGHT_16)
"""In the order of the key that changes the theme."""


def first_theme(chosen: str, colours: int) -> str:
    """Return the theme to begin with in a terminal of so many colours, if `chosen` was chosen
    before, there or in another terminal. Most themes' greys are the same in 16 colours, so the
    terminal's own, dark or light, take their place."""
    theme = {**BUILTIN_THEMES, **{own.name: own for own in OWN_THEMES}}.get(chosen, DARK)
    if colours > 16 or theme.ansi or theme is CONTRAST:
        return theme.name
    return DARK_16.name if theme.dark else LIGHT_16.name
