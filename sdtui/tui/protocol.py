"""How finished pictures are drawn: by the terminal's own means where it has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from textual.widget import Widget

ImageProtocol = Literal["auto", "kitty", "sixel", "halfcell"]

_TRUE_COLOUR_TERMINALS = ("kitty", "ghostty", "foot", "wezterm", "alacritty", "iterm2")


def prepare_colours() -> None:
    """SSH rarely hands COLORTERM on; say what we know of the terminal by its name. To be called
    before Textual is imported."""
    if "NO_COLOR" in os.environ or "COLORTERM" in os.environ:
        return
    if any(name in os.environ.get("TERM", "") for name in _TRUE_COLOUR_TERMINALS):
        os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "truecolor")


def picture_widget(protocol: ImageProtocol) -> type[Widget] | None:
    """The widget class that draws finished pictures, or None for our own half-cells. Asks the
    terminal, so it must be called before the app runs."""
    if protocol == "halfcell":
        return None
    from textual_image.widget import AutoImage, SixelImage, TGPImage
    from textual_image.widget import Image as Best

    if protocol == "kitty":
        return TGPImage
    if protocol == "sixel":
        return SixelImage
    # What is left of "auto" are half-cells again, and Unicode where there are no colours.
    from textual_image.renderable import Image as Renderable
    from textual_image.renderable import TGPImage as TGPRenderable

    if Best is SixelImage or (Best is AutoImage and Renderable is TGPRenderable):
        return Best
    return None
