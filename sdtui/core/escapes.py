"""Text in editors: what a terminal would take as a command is a sign there, one for each letter,
so that the cursor's place stays right."""

from __future__ import annotations

from sdtui.core.text import visible


def escape_same_width(text: str) -> str:
    """`text` with a sign in place of every letter that must not be sent to a terminal."""
    return "".join(_escape(letter) for letter in text)


def _escape(letter: str) -> str:
    if ord(letter) < 32 and letter != "\t":
        return chr(0x2400 + ord(letter))
    return letter if visible(letter) == letter else "�"
