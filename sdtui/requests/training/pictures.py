"""Which files of a folder are the pictures of a training.

Folders are read as kohya's scripts lay them out (`FOLDER/10_a red dog/*.png`), and so are plain
folders of pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdtui.core.errors import TrainingError
from sdtui.core.text import one_line

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
_REPEATS = re.compile(r"(\d{1,5})_(.*)", re.DOTALL)
_LEARNED_FOLDER, _CLASS_FOLDER = "img", "reg"
"""Names in the folder of a project of kohya's window."""


@dataclass(frozen=True)
class PictureFolder:
    """A folder of pictures that are shown equally often."""

    path: Path

    @property
    def repeats(self) -> int:
        """How often its pictures are shown in an epoch; 0 = not at all."""
        match = _REPEATS.fullmatch(self.path.name)
        return int(match[1]) if match else 1

    @property
    def words(self) -> str:
        """What its name says, the caption of pictures that have none."""
        match = _REPEATS.fullmatch(self.path.name)
        words = match[2] if match else self.path.name
        return one_line(words.replace("_", " ")).strip()

    def pictures(self) -> list[Path]:
        """Return the files that should be pictures, in the order of their names. Raises
        TrainingError."""
        return [
            each
            for each in sorted(_entries(self.path))
            if each.suffix.lower() in PICTURE_SUFFIXES
            and not each.name.startswith(".")
            and each.is_file()
        ]


@dataclass(frozen=True)
class TrainingFolders:
    """Where the pictures of a training are."""

    learned: tuple[PictureFolder, ...]
    classes: tuple[PictureFolder, ...] = ()
    """Of pictures that the model must not forget."""

    def learned_pictures(self) -> list[Path]:
        """Return the files that should be pictures to learn, without folders that are switched off.
        Raises TrainingError."""
        return [path for each in self.learned if each.repeats for path in each.pictures()]


def training_folders(folder: Path, class_folder: Path | None = None) -> TrainingFolders:
    """Return where the pictures are: in the folder and in the folders in it, or in those of
    `class_folder`, by default a folder `reg` beside them.

    Raises TrainingError if there is no such folder, or it can't be read.
    """
    check_folder(folder)
    learned = folder / _LEARNED_FOLDER
    if not learned.is_dir() or PictureFolder(folder).pictures():
        learned = folder
    if class_folder is None:
        near = (folder / _CLASS_FOLDER, learned.parent / _CLASS_FOLDER)
        class_folder = next((each for each in near if each != learned and each.is_dir()), None)
    elif not class_folder.is_dir() and class_folder.exists():
        raise TrainingError(f"{class_folder} is no folder", "Name a folder of class pictures")
    elif class_folder.is_dir() and class_folder.samefile(learned):
        raise TrainingError(
            f"{class_folder} has the pictures to learn", "Name another folder of class pictures"
        )
    has_classes = class_folder is not None and class_folder.is_dir()
    return TrainingFolders(
        tuple(_with_inner(learned, class_folder)),
        tuple(_with_inner(class_folder, None)) if class_folder and has_classes else (),
    )


def check_folder(folder: Path) -> None:
    """Raise TrainingError if there is no such folder."""
    if not folder.is_dir():
        raise TrainingError(f"there is no folder {folder}", "Name a folder of pictures")


def no_pictures(folder: Path, which: str = "") -> TrainingError:
    """Return the error of a folder without pictures; `which` follows the word."""
    return TrainingError(
        f"there are no pictures{which} in {folder}",
        f"Put {', '.join(sorted(PICTURE_SUFFIXES))} files there, best with a caption beside each"
        " in a .txt file",
    )


def _with_inner(folder: Path, excluded: Path | None) -> Iterator[PictureFolder]:
    """Yield a folder and the folders in it."""
    inner = sorted(each for each in _entries(folder) if each.is_dir() and each != excluded)
    for each in (folder, *inner):
        if not each.name.startswith("."):
            yield PictureFolder(each)


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder. Raises TrainingError."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise TrainingError(f"{folder} can't be read: {error}", "Check its permissions") from error
