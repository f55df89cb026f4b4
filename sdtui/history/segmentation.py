"""How text is cut into words, for the index and for what is searched in it.

Languages such as Chinese, Japanese and Thai are written without spaces, and Korean joins particles
to words. Their letters, and symbols such as emoji, are indexed as overlapping pairs: "猫が好き"
becomes "猫が が好 好き き". A phrase of pairs finds every part of a sentence, but no letters that
something else parts; a single letter is found as the beginning of a pair.
"""

from __future__ import annotations

import functools
import re
import unicodedata

TOKENIZER = "ascii"
"""FTS5's tokenizer that leaves everything beyond ASCII as it is: all else is done here."""

_WITHOUT_SPACES = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Korean letters
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue
    (0x1A00, 0x1AAF),  # Buginese, Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0xA4CF),  # Chinese, Japanese, Korean, Yi
    (0xA960, 0xAAEF),  # old Korean letters, Javanese, Burmese extensions, Cham, Tai Viet
    (0xAC00, 0xD7FF),  # Korean syllables
    (0xF900, 0xFAFF),  # Chinese, compatibility
    (0x11700, 0x1174F),  # Ahom
    (0x16FE0, 0x1B2FF),  # Tangut, Khitan, rare kana, Nushu
    (0x20000, 0x3FFFF),  # rare Chinese
)
"""Unicode blocks of scripts that put no spaces between words, and of Korean: first, last."""

_ACCENTED = re.compile(r"([A-Za-z\s])[\u0300-\u036f]+")
_LETTER = re.compile("\0(.)(?:(?=\1*\0(.)))?")
_TOKEN = re.compile(r"(?:[A-Za-z0-9]|[^\x00-\x7f])+")


def searchable(text: str) -> str:
    """`text` as it is indexed: without case, accents on Latin letters and differences of width,
    in words with something else than letters and digits between them."""
    if text.isascii():
        return text  # SQLite ignores the case of these
    plain = _ACCENTED.sub(r"\1", unicodedata.normalize("NFKD", text)).casefold()
    marked = "".join(map(_marked, unicodedata.normalize("NFKC", plain)))
    return _LETTER.sub(r" \1\2 ", marked)


def phrase(text: str, *, complete: bool) -> str | None:
    """An FTS5 phrase that finds `text`; None if it has no letter, digit or symbol.

    The last word may go on unless `complete`; where words have no spaces it always may.
    """
    tokens = _TOKEN.findall(searchable(text))
    if not tokens:
        return None
    if len(tokens) > 1 and len(tokens[-2]) == 2 and _is_paired(tokens[-2][0]):
        tokens.pop()  # the end of a run of letters, which may go on in what is found
    may_go_on = not complete or _is_paired(tokens[-1][0])
    return f'"{" ".join(tokens)}"{" *" if may_go_on else ""}'


@functools.cache
def _marked(character: str) -> str:
    r"""A character of a word as it is, one that is indexed in pairs after \0, an invisible one
    as \1, any other as a space."""
    category = unicodedata.category(character)
    if category == "Cf" or unicodedata.name(character, "").startswith("VARIATION SELECTOR"):
        return "\1"
    if _is_paired(character):
        return f"\0{character}"
    return character if category[0] in "LMN" else " "


def _is_paired(character: str) -> bool:
    """True for letters that need no space to begin a word, and for symbols."""
    category = unicodedata.category(character)
    if category in ("So", "Co", "Cn"):  # emoji, icons of fonts, and emoji newer than this Python
        return True
    code = ord(character)
    return category[0] in "LMN" and any(first <= code <= last for first, last in _WITHOUT_SPACES)
