"""The app's themes, and what their colours mean.

Every theme has the same roles. Style sheets use them as `$running`, `$muted` …, texts by
`styles.theme_style`. No state is told by its colour alone: each has a sign or a word too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from sdtui.core.errors import SettingsError
from sdtui.core.settings import LAST_THEME, settings_origin
from sdtui.core.text import nearest

TEXT_CONTRAST, FOCUS_CONTRAST = 4.5, 3.0
"""The least contrasts of text, and of what shows the focus: WCAG 2.2, 1.4.3 and 1.4.11."""


@dataclass(frozen=True)
class Roles:
    """The colour of each role."""

    accent: str
    """Keys, titles, and the frame with the focus."""
    focus: str
    """Behind the line, picture or chip with the focus."""
    focus_text: str
    running: str
    queued: str
    done: str
    warning: str
    error: str
    changed: str
    """Values that aren't the model's own."""
    star: str
    marked: str
    muted: str
    name: str
    """Values that are names: models, samplers."""
    frame: str
    """Resting frames, dividers, scrollbars, and the rest of bars."""

    def variables(self) -> dict[str, str]:
        """Return the roles as variables of style sheets, and Textual's own that follow from
        them."""
        names = {name.replace("_", "-"): colour for name, colour in asdict(self).items()}
        return {
            **names,
            "success": self.done,
            "text-muted": self.muted,
            "text-disabled": self.muted,
            "border": self.accent,
            "border-blurred": self.frame,
            "block-cursor-background": self.focus,
            "block-cursor-foreground": self.focus_text,
            "scrollbar": self.frame,
            "scrollbar-hover": self.accent,
            "scrollbar-active": self.accent,
            "scrollbar-background": "transparent",
            "scrollbar-background-hover": "transparent",
            "scrollbar-background-active": "transparent",
            "scrollbar-corner-color": "transparent",
        }


def _with_roles(theme: Theme, name: str, roles: Roles) -> Theme:
    """Return a theme like another, with a name and the colours of roles."""
    return replace(
        theme,
        name=name,
        primary=roles.accent,
        accent=roles.accent,
        success=roles.done,
        warning=roles.warning,
        error=roles.error,
        variables={**theme.variables, **roles.variables()},
    )


def _theme(name: str, roles: Roles, *, dark: bool, base: dict[str, str]) -> Theme:
    plain = Theme(
        name,
        roles.accent,
        secondary=roles.muted,
        foreground=base["foreground"],
        background=base["background"],
        surface=base["surface"],
        panel=base["panel"],
        dark=dark,
        text_alpha=1.0,
    )
    return _with_roles(plain, name, roles)


DARK = _theme(
    "sdtui-dark",
    Roles(
        accent="#7aa2f7",
        focus="#7aa2f7",
        focus_text="#15161e",
        running="#7dcfff",
        queued="#a9b1d6",
        done="#9ece6a",
        warning="#e0af68",
        error="#ff8fa3",
        changed="#ff9e64",
        star="#ffd866",
        marked="#d4a6ff",
        muted="#979fc0",
        name="#73daca",
        frame="#5b6290",
    ),
    dark=True,
    base={
        "foreground": "#c8cfe6",
        "background": "#15161e",
        "surface": "#1d1f2b",
        "panel": "#2b2e40",
    },
)
LIGHT = _theme(
    "sdtui-light",
    Roles(
        accent="#24539e",
        focus="#24539e",
        focus_text="#f7f7f5",
        running="#0b6285",
        queued="#4d566b",
        done="#2c661c",
        warning="#7a4d00",
        error="#a81f35",
        changed="#96400b",
        star="#735200",
        marked="#6b2fa8",
        muted="#525865",
        name="#0d6157",
        frame="#8d8f8a",
    ),
    dark=False,
    base={
        "foreground": "#22262f",
        "background": "#f7f7f5",
        "surface": "#ececea",
        "panel": "#dddeda",
    },
)
CONTRAST = _theme(
    "sdtui-contrast",
    Roles(
        accent="#ffff00",
        focus="#ffff00",
        focus_text="#000000",
        running="#00ffff",
        queued="#ffffff",
        done="#00ff00",
        warning="#ffd000",
        error="#ff8080",
        changed="#ffb060",
        star="#ffff00",
        marked="#ff9cff",
        muted="#d6d6d6",
        name="#80ffd0",
        frame="#a8a8a8",
    ),
    dark=True,
    base={
        "foreground": "#ffffff",
        "background": "#000000",
        "surface": "#000000",
        "panel": "#303030",
    },
)

_ROLES_OF_16_DARK = Roles(
    accent="ansi_cyan",
    focus="ansi_cyan",
    focus_text="ansi_black",
    running="ansi_bright_cyan",
    queued="ansi_default",
    done="ansi_green",
    warning="ansi_yellow",
    error="ansi_bright_red",
    changed="ansi_bright_yellow",
    star="ansi_bright_yellow",
    marked="ansi_bright_magenta",
    muted="ansi_default",
    name="ansi_cyan",
    frame="ansi_bright_black",
)
"""Red, blue and magenta are too dark on black in most palettes; their bright forms are not."""
_ROLES_OF_16_LIGHT = Roles(
    accent="ansi_blue",
    focus="ansi_blue",
    focus_text="ansi_bright_white",
    running="ansi_blue",
    queued="ansi_default",
    done="ansi_default",
    warning="ansi_magenta",
    error="ansi_red",
    changed="ansi_magenta",
    star="ansi_magenta",
    marked="ansi_blue",
    muted="ansi_default",
    name="ansi_blue",
    frame="ansi_bright_black",
)
"""Green, yellow and cyan are too bright on white in most palettes."""


DARK_16 = _with_roles(BUILTIN_THEMES["ansi-dark"], "sdtui-16-dark", _ROLES_OF_16_DARK)
LIGHT_16 = _with_roles(BUILTIN_THEMES["ansi-light"], "sdtui-16-light", _ROLES_OF_16_LIGHT)

OWN_THEMES = (DARK, LIGHT, CONTRAST, DARK_16, LIGHT_16)
"""In the order of the key that changes the theme."""
_KNOWN = {**BUILTIN_THEMES, **{own.name: own for own in OWN_THEMES}}


def check_theme(name: str) -> None:
    """Raise SettingsError if the setting of the theme names none."""
    known = {LAST_THEME, *_KNOWN}
    if name not in known:
        near = nearest(name, known)
        hint = f'Did you mean "{near}"?' if near else f"There are {', '.join(sorted(known))}"
        raise SettingsError(f'{settings_origin("theme")}: there is no theme "{name}"', hint)


def first_theme(chosen: str, colours: int) -> str:
    """Return the theme to begin with in a terminal of so many colours, if `chosen` was chosen
    before, there or in another terminal. Most themes' greys are the same in 16 colours, so the
    terminal's own, dark or light, take their place."""
    theme = _KNOWN.get(chosen, DARK)
    if colours > 16 or theme.ansi or theme is CONTRAST:
        return theme.name
    return DARK_16.name if theme.dark else LIGHT_16.name


def role_variables(theme: Theme) -> dict[str, str]:
    """Return the variables of a theme's roles. Themes of Textual have none: they are chosen from
    its colours, made darker or lighter until they can be read."""
    if theme in OWN_THEMES:
        return {}
    if theme.ansi:
        return (_ROLES_OF_16_DARK if theme.dark else _ROLES_OF_16_LIGHT).variables()
    colours = theme.to_color_system().generate()
    behind = [Color.parse(colours[name]) for name in ("background", "surface", "panel")]

    def readable(name: str) -> str:
        return _readable(Color.parse(colours[name]), behind, TEXT_CONTRAST).hex

    accent, text = readable("accent"), readable("foreground")
    return Roles(
        accent=accent,
        focus=accent,
        focus_text=behind[0].hex,
        running=readable("primary"),
        queued=text,
        done=readable("success"),
        warning=readable("warning"),
        error=readable("error"),
        changed=readable("warning"),
        star=readable("warning"),
        marked=readable("secondary"),
        muted=_readable(Color.parse(text).blend(behind[0], 0.35), behind, TEXT_CONTRAST).hex,
        name=readable("primary"),
        frame=_readable(Color.parse(text).blend(behind[0], 0.6), behind[:1], FOCUS_CONTRAST).hex,
    ).variables()


def _readable(colour: Color, behind: Iterable[Color], least: float) -> Color:
    """Return the colour, or the nearest mixture with white or black that has at least a contrast
    with each of the colours behind it."""
    backgrounds = [*behind]
    towards = max(
        (Color(0, 0, 0), Color(255, 255, 255)),
        key=lambda end: min(contrast(end, each) for each in backgrounds),
    )
    mixtures = (colour.blend(towards, step / 20, alpha=1) for step in range(21))
    return next(
        (each for each in mixtures if min(contrast(each, one) for one in backgrounds) >= least),
        towards,
    )


def contrast(first: Color, second: Color) -> float:
    """Return the contrast of two opaque colours, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    """Return the relative luminance, from 0 to 1."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
