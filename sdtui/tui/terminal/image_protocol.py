"""The image protocol for finished pictures, if the terminal has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdtui.core.enums import Colours, ImageProtocol
from sdtui.tui.terminal.colours import few_colours
from sdtui.tui.terminal.environment import has, in_screen, in_tmux
from sdtui.tui.terminal.probe import TerminalCapabilities

if TYPE_CHECKING:
    from sdtui.tui.images.terminal_picture import TerminalPicture

_SIXEL_TELLS = ("vscode",)
"""Terminals whose images can be switched off, and that then don't say that they have Sixel."""


def picture_widget(
    chosen: ImageProtocol, capabilities: TerminalCapabilities, colours: Colours
) -> type[TerminalPicture] | None:
    """Return the widget class that draws finished pictures, or None for half-cells."""
    protocol = protocol_here(chosen, capabilities, colours)
    if protocol is ImageProtocol.HALFCELL:
        return None
    here = {"cell": capabilities.cell, "takes_parts": capabilities.program.takes_parts}
    return type("PictureHere", (_widget_class(protocol),), here)


def _widget_class(protocol: ImageProtocol) -> type[TerminalPicture]:
    if protocol is ImageProtocol.KITTY:
        from sdtui.tui.images.kitty import KittyPicture

        return KittyPicture
    if protocol is ImageProtocol.ITERM:
        from sdtui.tui.images.iterm import ItermPicture

        return ItermPicture
    from sdtui.tui.images.sixel import SixelPicture

    return SixelPicture


def protocol_here(
    chosen: ImageProtocol, capabilities: TerminalCapabilities, colours: Colours
) -> ImageProtocol:
    """Return the protocol to use: the chosen one, for AUTO the best of the terminal. Nothing but
    half-cells gets through GNU Screen."""
    if chosen is not ImageProtocol.AUTO:
        through = not in_screen() or chosen is ImageProtocol.SIXEL
        return chosen if through else ImageProtocol.HALFCELL
    program, passes = capabilities.program, capabilities.is_reached
    shows_images = capabilities.sixel or program.name not in _SIXEL_TELLS
    knows_place = has("TMUX") or not in_tmux()  # where the pane is, only this machine's tmux says
    if program.has_inline_images and shows_images and passes and knows_place:
        return ImageProtocol.ITERM
    if capabilities.sixel:
        # Before Kitty: some terminals know Sixel, and Kitty's protocol without placeholders.
        return ImageProtocol.SIXEL
    is_kitty = capabilities.kitty and not program.only_claims_placeholders
    if is_kitty and passes and _has_colours(colours):
        return ImageProtocol.KITTY
    return ImageProtocol.HALFCELL


def _has_colours(colours: Colours) -> bool:
    """True if placeholders reach the terminal in their colour, which is a picture's number: tmux
    makes 256 colours of all others, and there the numbers are among those."""
    if colours is Colours.AUTO and in_tmux():
        return few_colours() == Colours.EIGHT_BIT
    return colours is Colours.TRUE or (colours is Colours.EIGHT_BIT and in_tmux())
