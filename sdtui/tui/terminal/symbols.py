"""Characters for terminals that can't show those of the app: frames, signs, bars."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len

from sdtui.core.text import encodable

_PAIRS = (
    "←< ↑^ →> ↓v ⏎< ‖| ▲^ ▼v ◀< ▶> ▸> ▾v ▴^ ◂< ✓v ✔v ✗x ✘x ■# □- ●* ○o ◌o ◆+ ◇+ ★* ☆* …. °' "
    "▁_ ▂. ▃. ▄: ▅: ▆= ▇* █# ▀# ▔~ ▏| ▎| ▍| ▌| ▋| ▊# ▉# ▐| ▕| ░. ▒: ▓#"
)
_SIGNS = {pair[0]: pair[1] for pair in _PAIRS.split()}
"""Signs and blocks, each with its substitute."""
_LINES = {"HORIZONTAL": "-", "LEFT": "-", "RIGHT": "-", "VERTICAL": "|", "UP": "|", "DOWN": "|"}
_FRAMES = range(0x2500, 0x2580)
_BRAILLE = range(0x2800, 0x2900)
_BRAILLE_ROWS = (0b00001001, 0b00010010, 0b00100100, 0b11000000)
"""The dots of each row, from the top."""
_HEIGHTS = "*=:. "
"""By the highest row with a dot."""
_SIGNS_OF = {"linux": "cp437", "vt52": "ascii", "vt100": "ascii", "vt102": "ascii"}
"""Encodings with the signs that a terminal has (TERM): fonts of the Linux console have those of
the first PC."""


class Substitutes(dict[int, str]):
    """A table for `str.translate`, filled as needed: what to write for a character. Each takes as
    many cells as the character."""

    def __init__(self, encoding: str, signs: str) -> None:
        """`encoding` is the terminal's, and `signs` that of the frames and signs that it shows."""
        super().__init__()
        self._encoding = encoding
        self._signs = signs

    def __missing__(self, code: int) -> str:
        character = chr(code)
        encoding = self._encoding if character.isalnum() else self._signs
        found = next(each for each in _candidates(character) if _is_in(encoding, each))
        self[code] = found
        return found


def substitutes(encoding: str, term: str) -> Substitutes | None:
    """Return the table for a terminal of this encoding and name (TERM), None if it shows all."""
    if not _is_in(encoding, "╭✓━"):
        return Substitutes(encoding, encoding)
    return Substitutes(encoding, _SIGNS_OF[term]) if term in _SIGNS_OF else None


def _is_in(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _candidates(character: str) -> list[str]:
    """Return the character, what is like it, and last something in ASCII."""
    return [character, *_light_line(character), _ascii(character)]


def _light_line(character: str) -> list[str]:
    """Return the thin line with corners for a thick or rounded one."""
    if ord(character) not in _FRAMES:
        return []
    name = unicodedata.name(character).replace("HEAVY", "LIGHT").replace("LIGHT ARC", "LIGHT")
    try:
        return [unicodedata.lookup(name)]
    except KeyError:
        return []


def _ascii(character: str) -> str:
    if ord(character) in _BRAILLE:
        return _braille_height(ord(character) - _BRAILLE[0])
    if ord(character) in _FRAMES:
        words = {word for word in unicodedata.name(character).split() if word in _LINES}
        signs = {_LINES[word] for word in words}
        return signs.pop() if len(signs) == 1 else "+"
    if known := _SIGNS.get(character):
        return known
    plain, cells = encodable(character, "ascii"), cell_len(character)
    return plain if len(plain) == cells else "?" * cells


def _braille_height(dots: int) -> str:
    """Return a sign about as high as the dots of a Braille character, which draws a graph."""
    top = next((row for row, bits in enumerate(_BRAILLE_ROWS) if dots & bits), len(_BRAILLE_ROWS))
    return _HEIGHTS[top]
