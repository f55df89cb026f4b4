"""The image protocol for finished pictures, if the terminal has one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sdtui.core.enums import Colours, ImageProtocol
from sdtui.tui.terminal.environment import in_screen, in_tmux
from sdtui.tui.terminal.probe import TerminalCapabilities

if TYPE_CHECKING:
    from textual.widget import Widget

_WITHOUT_PLACEHOLDERS = ("WarpTerminal",)
"""Terminals that claim to know Kitty's protocol, but know no placeholders."""


def picture_widget(
    protocol: ImageProtocol, capabilities: TerminalCapabilities, colours: Colours
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
    if (protocol == "kitty" and not in_screen()) or (
        protocol == "auto" and capabilities.kitty and has_kitty_pictures(colours)
    ):
        from sdtui.tui.images.kitty import KittyPicture

        class PictureHere(KittyPicture):
            cell = capabilities.cell

        return PictureHere
    return None


def has_kitty_pictures(colours: Colours) -> bool:
    """True if placeholders will reach the terminal unchanged: their colour is a number of 24 bits,
    and tmux drops sequences that it doesn't know unless it is configured to pass them on."""
    odd = os.environ.get("TERM_PROGRAM") in _WITHOUT_PLACEHOLDERS
    return colours is Colours.TRUE and not odd and not in_tmux() and not in_screen()
