"""All captions of a folder, to be looked through and changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.errors import OutputError
from sdtui.core.text_files import UnreadableTextError
from sdtui.requests.training.captions import (
    caption_file,
    caption_line,
    read_caption,
    term_counts,
    with_line,
    write_caption,
)
from sdtui.requests.training.pictures import training_folders


@dataclass(frozen=True)
class Caption:
    """A picture's caption as its file has it."""

    text: str | None
    """None without a file; of one that isn't UTF-8, what it is in Latin-1."""
    problem: str = ""
    """Why trainings can't read it."""

    @property
    def line(self) -> str:
        """What trainings read of it."""
        return caption_line(self.text or "")


@dataclass(frozen=True)
class Change:
    """Captions that were written at once."""

    what: str
    before: dict[Path, str | None] = field(default_factory=dict)
    after: dict[Path, str | None] = field(default_factory=dict)

    def add(self, picture: Path, before: str | None, after: str | None) -> None:
        """Add a caption that was written."""
        self.before[picture] = before
        self.after[picture] = after


class CaptionSet:
    """The captions of a folder's pictures. The files are read again before they are changed: other
    programs may have written them. Everything but `captions` waits for the disk."""

    def __init__(self, folder: Path) -> None:
        """Raises TrainingError if the folder can't be read."""
        self.folder = folder
        self.pictures = tuple(training_folders(folder).learned_pictures())
        self.captions: dict[Path, Caption] = {}
        """By picture, as far as they were read."""
        self._changes: list[Change] = []

    def read(self, pictures: Iterable[Path]) -> None:
        """Read the captions of some pictures."""
        for picture in pictures:
            self.captions[picture] = _read(picture)

    def save(self, picture: Path, text: str) -> bool:
        """Write a picture's caption if it differs; nothing is written for one that has none and
        gets none. Returns True if it was written. Raises OutputError."""
        self.captions[picture] = now = _read(picture)
        if text == (now.text or ""):
            return False
        if now.text is None and now.problem:
            raise OutputError(f"{picture.name}: {now.problem}", "Check the file's permissions")
        self._write(f"the caption of {picture.name}", {picture: text})
        return True

    def change(self, what: str, edit: Callable[[str], str], pictures: Iterable[Path]) -> int:
        """Change the line that trainings read in the captions that there are; return in how many
        something changed. Raises OutputError; what was written until then can be undone."""
        self.read(pictures := tuple(pictures))
        changed: dict[Path, str | None] = {}
        for picture in pictures:
            caption = self.captions[picture]
            if caption.text is not None and (line := edit(caption.line)) != caption.line:
                changed[picture] = with_line(caption.text, line)
        if changed:
            self._write(what, changed)
        return len(changed)

    def note_written(self, change: Change, picture: Path, before: str | None) -> None:
        """Note that another process has written a caption in place of `before`, as a part of a
        change."""
        self.read([picture])
        if not change.before:
            self._changes.append(change)
        change.add(picture, before, self.captions[picture].text)

    def undo(self) -> tuple[str, int] | None:
        """Undo the last change where nothing else has changed since; return what it was and how
        many captions are as before, or None if there is nothing to undo. Raises OutputError."""
        if not self._changes:
            return None
        change = self._changes.pop()
        self.read(change.before)
        back = {
            picture: text
            for picture, text in change.before.items()
            if self.captions[picture].text == change.after[picture]
        }
        for picture, text in back.items():
            self._write_one(picture, text)
        return change.what, len(back)

    def term_counts(self, pictures: Iterable[Path]) -> Counter[str]:
        """Return in how many of the captions each tag or word occurs. Doesn't read the disk."""
        found = (self.captions.get(picture) for picture in pictures)
        return term_counts([each.line for each in found if each is not None and each.text])

    def _write(self, what: str, texts: Mapping[Path, str | None]) -> None:
        change = Change(what)
        self._changes.append(change)
        for picture, text in texts.items():
            before = self.captions[picture].text
            self._write_one(picture, text)
            change.add(picture, before, text)

    def _write_one(self, picture: Path, text: str | None) -> None:
        try:
            write_caption(picture, text)
        except OSError as error:
            raise OutputError(
                f"the caption of {picture} can't be written: {error.strerror or error}",
                "Make room, or check the folder's permissions",
            ) from error
        self.captions[picture] = Caption(text)


def _read(picture: Path) -> Caption:
    try:
        return Caption(read_caption(picture))
    except UnreadableTextError as error:
        file = caption_file(picture) or picture
        guessed = file.read_bytes().decode("latin-1").replace("\0", "").strip("\r\n")
        return Caption(guessed, f"{file.name} is not read by trainings: {error}")
    except OSError as error:
        return Caption(None, f"the caption can't be read: {error.strerror or error}")
