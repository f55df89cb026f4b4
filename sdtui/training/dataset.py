"""The pictures of a training: which files there are, their captions and how often each counts.

Folders are read as kohya's scripts lay them out (`FOLDER/10_a red dog/*.png`, with a caption beside
each picture in `NAME.txt`), and so are plain folders of pictures.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.errors import ImageError, TrainingError
from sdtui.core.text import counted, one_line, shortened
from sdtui.core.text_files import UnreadableTextError, decode_text, split_lines
from sdtui.requests.input_images import size_of_picture

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
CAPTION_SUFFIXES = (".txt", ".caption")
"""Everyone's, and the default of kohya's scripts."""
_REPEATS = re.compile(r"(\d{1,5})_(.*)", re.DOTALL)
_LEARNED_FOLDER, _CLASS_FOLDER = "img", "reg"
"""Names in the folder of a project of kohya's window."""
_MOST_NAMED = 3
"""Files that a notice names."""


@dataclass(frozen=True)
class TrainingPicture:
    """A picture of a training."""

    path: Path
    size: tuple[int, int]
    """Width and height in pixels, as it is seen."""
    caption: str
    repeats: int = 1
    """How often it is shown in an epoch."""
    is_class: bool = False
    """True for a picture of the class, which the model must not forget."""

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return self.path.parent.name


@dataclass(frozen=True)
class Dataset:
    """All pictures of a training."""

    pictures: tuple[TrainingPicture, ...]
    """Those to learn, in the order of their paths."""
    class_pictures: tuple[TrainingPicture, ...] = ()
    notices: tuple[str, ...] = ()
    """What can't be used and which captions are missing, a sentence each kind."""

    @property
    def shown_in_epoch(self) -> int:
        """How many pictures an epoch shows, class pictures apart."""
        return sum(each.repeats for each in self.pictures)

    def tag_frequency(self) -> dict[str, dict[str, int]]:
        """Return how often each tag stands in the captions, by folder."""
        found: dict[str, Counter[str]] = {}
        for each in self.pictures:
            tags = (tag.strip().lower() for tag in each.caption.split(","))
            found.setdefault(each.folder, Counter()).update(tag for tag in tags if tag)
        return {folder: dict(tags) for folder, tags in found.items()}

    def folders(self) -> dict[str, tuple[int, int]]:
        """Return repeats and number of pictures, by folder."""
        counts = Counter(each.folder for each in self.pictures)
        return {each.folder: (each.repeats, counts[each.folder]) for each in self.pictures}


def read_dataset(
    folder: Path,
    caption: str = "",
    class_folder: Path | None = None,
    class_prompt: str = "",
) -> Dataset:
    """Return the pictures in a folder and in the folders in it. `caption` and `class_prompt` are
    those of pictures without one.

    Raises TrainingError if there is no picture that can be read.
    """
    check_folder(folder)
    learned = folder / _LEARNED_FOLDER
    if not learned.is_dir() or any(_files(folder)):
        learned = folder
    if class_folder is None:
        beside = (folder / _CLASS_FOLDER, learned.parent / _CLASS_FOLDER)
        class_folder = next((each for each in beside if each != learned and each.is_dir()), None)
    elif not class_folder.is_dir() and class_folder.exists():
        raise TrainingError(f"{class_folder} is no folder", "Name a folder of class pictures")
    found = _Found()
    pictures = [
        picture
        for each, repeats in _picture_folders(learned, class_folder)
        for picture in found.read(each, repeats, caption)
    ]
    if not pictures:
        there = " that can be read" if found.unreadable else ""
        raise TrainingError(
            f"there are no pictures{there} in {folder}",
            f"Put {', '.join(sorted(PICTURE_SUFFIXES))} files there, best with a caption beside"
            " each in a .txt file",
        )
    class_pictures: list[TrainingPicture] = []
    if class_folder is not None and class_folder.is_dir():
        for each, repeats in _picture_folders(class_folder, None):
            class_pictures += found.read(each, repeats, class_prompt, is_class=True)
    return Dataset(tuple(pictures), tuple(class_pictures), tuple(found.notices()))


def check_folder(folder: Path) -> None:
    """Raise TrainingError if there is no such folder."""
    if not folder.is_dir():
        raise TrainingError(f"there is no folder {folder}", "Name a folder of pictures")


def _picture_folders(folder: Path, excluded: Path | None) -> Iterator[tuple[Path, int]]:
    """Yield a folder and the folders in it with how often their pictures count."""
    inner = sorted(each for each in _entries(folder) if each.is_dir() and each != excluded)
    for each in (folder, *inner):
        match = _REPEATS.fullmatch(each.name)
        if not each.name.startswith("."):
            yield each, int(match[1]) if match else 1


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that should be pictures, in the order of their names."""
    for each in sorted(_entries(folder)):
        is_hidden = each.name.startswith(".")
        if each.suffix.lower() in PICTURE_SUFFIXES and not is_hidden and each.is_file():
            yield each


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder. Raises TrainingError."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise TrainingError(f"{folder} can't be read: {error}", "Check its permissions") from error


@dataclass
class _Found:
    """Reads folders and collects what is wrong with their files."""

    unreadable: list[Path] = field(default_factory=list)
    uncaptioned: dict[str, list[Path]] = field(default_factory=dict)
    """Pictures without a caption by the one that they get."""
    bad_captions: list[Path] = field(default_factory=list)

    def read(
        self, folder: Path, repeats: int, caption: str, *, is_class: bool = False
    ) -> Iterator[TrainingPicture]:
        if repeats == 0:
            return  # switched off, as with kohya's scripts
        match = _REPEATS.fullmatch(folder.name)
        words = match[2] if match else folder.name
        default = caption or one_line(words.replace("_", " ")).strip()
        for path in _files(folder):
            size = _size(path)
            if size is None:
                self.unreadable.append(path)
                continue
            own = self._caption(path)
            if own is None and not is_class:
                self.uncaptioned.setdefault(default, []).append(path)
            text = default if own is None else own
            yield TrainingPicture(path, size, text, repeats, is_class)

    def _caption(self, picture: Path) -> str | None:
        """Return the caption beside a picture, its first line; None if there is none."""
        for suffix in CAPTION_SUFFIXES:
            file = picture.with_suffix(suffix)
            try:
                lines = split_lines(decode_text(file.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, UnreadableTextError):
                self.bad_captions.append(file)
                return None
            return next((line.strip() for line in lines if line.strip()), "")
        return None

    def notices(self) -> Iterator[str]:
        if self.unreadable:
            yield _notice(self.unreadable, "file", "left out, since it can't be read as a picture")
        if self.bad_captions:
            yield _notice(self.bad_captions, "caption", "not used, since it is no text in UTF-8")
        for caption, pictures in self.uncaptioned.items():
            given = f'gets "{shortened(caption)}"'
            yield _notice(pictures, "picture", f"without a caption of its own: {given}")


def _notice(files: Sequence[Path], kind: str, what: str) -> str:
    named = ", ".join(one_line(each.name) for each in files[:_MOST_NAMED])
    more = ", …" if len(files) > _MOST_NAMED else ""
    return f"{counted(len(files), kind)} {what} ({named}{more})"


def _size(path: Path) -> tuple[int, int] | None:
    """Return the size of a picture as it is seen, from its header; None if it can't be read."""
    try:
        return size_of_picture(path)
    except ImageError:
        return None
