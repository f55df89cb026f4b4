"""The captions of pictures to learn: the files in which they are, and changes of their texts.

A caption lies next to its picture, in `NAME.txt` or `NAME.caption`. Trainings read its first line
that isn't blank; tags in it are separated by commas.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from sdtui.core.files import write_atomic
from sdtui.core.text_files import decode_text, split_lines

CAPTION_SUFFIXES = (".txt", ".caption")
"""Everyone's, and the default of kohya's scripts."""
_WORD = re.compile(r"\w[\w'’-]*")


def caption_file(picture: Path) -> Path | None:
    """Return the file with a picture's caption; None if there is none."""
    return next((file for file in _possible_files(picture) if file.exists()), None)


def read_caption(picture: Path) -> str | None:
    """Return the text of a picture's caption, all lines of it; None if it has none. Raises OSError
    and UnreadableTextError."""
    for file in _possible_files(picture):
        try:
            lines = split_lines(decode_text(file.read_bytes()))
        except FileNotFoundError:
            continue
        return "\n".join(lines).strip("\n")
    return None


def write_caption(picture: Path, text: str | None) -> None:
    """Write a picture's caption in UTF-8, or delete it if it is None. The file that is there is
    replaced; a new one gets the suffix that captions in its folder have. Raises OSError."""
    file = caption_file(picture)
    if text is None:
        if file is not None:
            file.unlink(missing_ok=True)
        return
    if file is None:
        file = picture.with_suffix(_suffix_in(picture.parent))
    # Thousands may be written at once; a power cut costs what was written last, not the old text.
    write_atomic(file, f"{text}\n".encode(), durable=False)


def _possible_files(picture: Path) -> list[Path]:
    return [picture.with_suffix(suffix) for suffix in CAPTION_SUFFIXES]


def _suffix_in(folder: Path) -> str:
    """Return the suffix of a new caption: the second one only where all others have it."""
    usual, other = CAPTION_SUFFIXES
    has_other = any(folder.glob(f"*{other}")) and not any(folder.glob(f"*{usual}"))
    return other if has_other else usual


def caption_line(text: str) -> str:
    """Return the line of a caption that trainings read."""
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def with_line(text: str, line: str) -> str:
    """Return a caption with another line in place of the one that trainings read."""
    lines = text.split("\n")
    place = next((number for number, each in enumerate(lines) if each.strip()), 0)
    return "\n".join([*lines[:place], line, *lines[place + 1 :]])


# Changes of a line


def tags_of(line: str) -> list[str]:
    """Return the tags in a line."""
    return [tag.strip() for tag in line.split(",") if tag.strip()]


def with_words_in_front(line: str, words: str) -> str:
    """Return a line that begins with these tags, as it is if it does already."""
    new, old = tags_of(words), tags_of(line)
    return line if old[: len(new)] == new else ", ".join([*new, *old])


def with_words_at_end(line: str, words: str) -> str:
    """Return a line that ends with these tags, as it is if it does already."""
    new, old = tags_of(words), tags_of(line)
    return line if new and old[-len(new) :] == new else ", ".join([*old, *new])


def with_replaced_words(line: str, words: str, replacement: str) -> str:
    """Return a line with one or several whole words replaced, in upper or lower case; without them
    if the replacement is empty."""
    pattern = rf"(?<!\w){re.escape(words)}(?!\w)"
    replaced, count = re.subn(pattern, lambda _: replacement, line, flags=re.IGNORECASE)
    if replacement or not count:
        return replaced
    return ", ".join(tags_of(" ".join(replaced.split())))


def without_tag(line: str, tag: str) -> str:
    """Return a line without a tag, in upper or lower case."""
    tags = tags_of(line)
    kept = [each for each in tags if each.casefold() != tag.strip().casefold()]
    return line if len(kept) == len(tags) else ", ".join(kept)


def have_tags(lines: Collection[str]) -> bool:
    """Return whether captions are lists of tags: half of them have commas."""
    return 2 * sum("," in line for line in lines) >= len(lines)


def term_counts(lines: Collection[str]) -> Counter[str]:
    """Return in how many captions each tag occurs, in lower case; each word, if they are
    sentences."""
    terms_of: Callable[[str], Iterable[str]] = tags_of if have_tags(lines) else _WORD.findall
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(set(terms_of(line.lower())))
    return counts
