"""The image protocol for finished pictures, if the terminal has one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sdtui.core.enums import ImageProtocol
from sdtui.core.runtime import assume_true_colour
from sdtui.tui.terminal.probe import TerminalCapabilities

if TYPE_CHECKING:
    from textual.widget import Widget

_TRUE_COLOUR_TERMINALS = ("kitty", "ghostty", "foot", "wezterm", "alacritty", "iterm2")


def prepare_colours() -> None:
    """Use 24-bit colours in terminals that are known by name to have them: SSH rarely passes
    COLORTERM on. Must be called before Textual is imported."""
    if "NO_COLOR" in os.environ or "COLORTERM" in os.environ:
        return
    if any(name in os.environ.get("TERM", "") for name in _TRUE_COLOUR_TERMINALS):
        assume_true_colour()


_WITHOUT_PLACEHOLDERS = ("WarpTerminal",)
"""Terminals that claim to know Kitty's protocol, but know no placeholders."""


def picture_widget(
    protocol: ImageProtocol, capabilities: TerminalCapabilities
) -> type[Widget] | None:
    """Return the widget class that draws finished pictures, or None for half-cells. Must be called
    before the app runs: for Sixel, a library asks the terminal once more."""
    if protocol == "sixel" or (protocol == "auto" and capabilities.sixel):
        # First, since WezTerm and Konsole know Sixel, and Kitty's protocol without placeholders.
        if sys.version_info < (3, 12):
            from sdtui.tui.images.sixel import SixelPicture

            return SixelPicture
        from textual_image.widget import SixelImage

        return SixelImage
    if protocol == "kitty" or (protocol == "auto" and capabilities.kitty and _has_kitty_pictures()):
        from sdtui.tui.images.kitty import KittyPicture

        class PictureHere(KittyPicture):
            cell = capabilities.cell

        return PictureHere
    return None


def _has_kitty_pictures() -> bool:
    """True if placeholders will reach the terminal unchanged: their colour is a number of 24 bits,
    and tmux drops sequences that it doesn't know unless it is configured to pass them on."""
    from textual.constants import COLOR_SYSTEM

    full = os.environ.get("COLORTERM") in ("truecolor", "24bit") or COLOR_SYSTEM == "truecolor"
    odd = os.environ.get("TERM_PROGRAM") in _WITHOUT_PLACEHOLDERS
    return full and not odd and not {"NO_COLOR", "TMUX"} & set(os.environ)
