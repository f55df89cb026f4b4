"""How many colours the app uses, and how that is known."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sdtui.core.enums import Colours
from sdtui.core.runtime import use_colour_system
from sdtui.tui.terminal import environment
from sdtui.tui.terminal.probe import TerminalCapabilities

_TRUE_COLOUR_TERMINALS = ("kitty", "ghostty", "foot", "wezterm", "alacritty", "iterm2", "direct")
_SYSTEMS = {Colours.TRUE: "truecolor", Colours.EIGHT_BIT: "256", Colours.FOUR_BIT: "standard"}
"""Rich's names."""
_ADVICE = 'colours = "24bit" in the config file gives more'


@dataclass(frozen=True)
class ColourChoice:
    """The colours to use. AUTO means what Rich makes of TERM: 256 or fewer."""

    colours: Colours
    reason: str

    @property
    def about(self) -> str:
        """The colours, the reason, and how to get more."""
        if self.colours is Colours.TRUE:
            return f"true colour ({self.reason})"
        number = few_colours() if self.colours is Colours.AUTO else self.colours.value
        advice = f"; {_ADVICE}" if self.colours is Colours.AUTO and number != "no" else ""
        return f"{number} colours{advice} ({self.reason})"


def few_colours() -> str:
    """Return how many colours the terminal's name stands for, as Rich reads it."""
    if environment.has("NO_COLOR"):
        return "no"
    return "256" if environment.name().endswith(("256color", "kitty")) else "16"


def colours_before_asking(chosen: Colours) -> ColourChoice | None:
    """Return the colours, or None if only the terminal can say them."""
    colour_term, system = os.environ.get("COLORTERM"), os.environ.get("TEXTUAL_COLOR_SYSTEM")
    if environment.has("NO_COLOR"):
        return ColourChoice(Colours.AUTO, "NO_COLOR is set")
    if chosen is not Colours.AUTO:
        return ColourChoice(chosen, "the setting colours")
    if system not in (None, "auto"):
        colours = next((each for each, name in _SYSTEMS.items() if name == system), Colours.AUTO)
        return ColourChoice(colours, "TEXTUAL_COLOR_SYSTEM is set")
    if colour_term in ("truecolor", "24bit"):
        return ColourChoice(Colours.TRUE, f"COLORTERM is {colour_term}")
    if environment.name() == "unknown":  # Rich has no colours for it, and Textual then has all
        return ColourChoice(Colours.FOUR_BIT, "TERM is unknown")
    if any(each in environment.name() for each in _TRUE_COLOUR_TERMINALS):
        return ColourChoice(Colours.TRUE, f"TERM is {environment.name()}")
    return None


def colours_after_asking(capabilities: TerminalCapabilities) -> ColourChoice:
    """Return the colours of a terminal that has answered, or hasn't."""
    if capabilities.true_colour:
        return ColourChoice(Colours.TRUE, "the terminal says so")
    where = "tmux" if environment.in_tmux() else "the terminal"
    name = environment.name() or "not set"
    return ColourChoice(Colours.AUTO, f"TERM is {name}, and {where} doesn't say that it has more")


def use(choice: ColourChoice) -> None:
    """Let Textual use these colours. Must be called before it is imported, or before the app is
    constructed if the colours are of 24 bits."""
    if choice.colours is not Colours.AUTO and not environment.has("NO_COLOR"):
        use_colour_system(_SYSTEMS[choice.colours])
