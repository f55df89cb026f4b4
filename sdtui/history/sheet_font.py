"""The font of a sheet: Pillow's own, or one of the system's that has the letters which it lacks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = ImageFont | FreeTypeFont

_FILES = (
    *("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "arial.ttf"),
    *("Arial.ttf", "NotoSansCJK-Regular.ttc", "NotoSansCJKjp-Regular.otf", "wqy-microhei.ttc"),
    *("wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "ipaexg.ttf"),
    *("NanumGothic.ttf", "Arial Unicode.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc"),
    *("AppleSDGothicNeo.ttc", "msyh.ttc", "YuGothM.ttc", "meiryo.ttc", "malgun.ttf"),
)
"""Fonts of Linux, macOS and Windows, those for Chinese, Japanese and Korean last."""
_NO_LETTER = "\U0010fffe"
"""A code point that stands for no letter, so that fonts draw their sign for missing ones."""
_UNDRAWABLE = "?"


@dataclass(frozen=True)
class Lettering:
    """A font, and the letters of some texts that it lacks."""

    font: Font
    missing: frozenset[str] = frozenset()

    def drawable(self, text: str) -> str:
        """Return a text without the letters that are missing: they lose their accents, or become a
        question mark."""
        if self.missing.isdisjoint(text):
            return text
        return "".join(self._instead(each) if each in self.missing else each for each in text)

    def _instead(self, letter: str) -> str:
        base = unicodedata.normalize("NFKD", letter)[0]
        return base if base != letter and base not in lacking(base, self.font) else _UNDRAWABLE

    @property
    def undrawable(self) -> str:
        """The letters that become a question mark, in order."""
        return "".join(sorted(each for each in self.missing if self._instead(each) == _UNDRAWABLE))


def lettering_for(texts: Iterable[str], size: int) -> Lettering:
    """Return the first font that has all letters of some texts, else the one that lacks fewest.
    `size` is in pixels."""
    letters = "".join(texts)
    best: Lettering | None = None
    for font in _fonts(size):
        found = Lettering(font, lacking(letters, font))
        if not found.missing:
            return found
        if best is None or len(found.missing) < len(best.missing):
            best = found
    assert best is not None  # there is always Pillow's font
    return best


def lacking(text: str, font: Font) -> frozenset[str]:
    """Return the letters of a text that a font lacks."""
    missing = bytes(font.getmask(_NO_LETTER))
    return frozenset(
        each
        for each in set(text)
        if not (each.isspace() or unicodedata.category(each)[0] in "CM")
        and bytes(font.getmask(each)) == missing
    )


def _fonts(size: int) -> Iterator[Font]:
    """Yield Pillow's font, then those of the system that there are."""
    from PIL import ImageFont

    yield ImageFont.load_default(size)
    for file in _FILES:
        try:
            yield ImageFont.truetype(file, size)
        except OSError:  # there is no such font
            continue
