"""What a terminal sends for keys."""

from __future__ import annotations

CTRL_C, CTRL_G, CTRL_L, CTRL_O, CTRL_Q, CTRL_T, CTRL_U = (chr(ord(each) - 64) for each in "CGLOQTU")
ENTER, ESCAPE, TAB, SHIFT_TAB, BACKSPACE = "\r", "\x1b", "\t", "\x1b[Z", "\x7f"
UP, RIGHT, PAGE_DOWN = "\x1b[A", "\x1b[C", "\x1b[6~"
F2, F4, F6, F9 = "\x1bOQ", "\x1bOS", "\x1b[17~", "\x1b[20~"
