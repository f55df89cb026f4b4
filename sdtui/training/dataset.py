"""The pictures of a training: which files there are, their captions and how often each counts.

Folders are read as kohya's scripts lay them out (`FOLDER/10_a red dog/*.png`, with a caption beside
each picture in `NAME.txt`), and so are plain folders of pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.errors import ImageError
from sdtui.core.text import counted, one_line, shortened
from sdtui.core.text_files import UnreadableTextError
from sdtui.requests.input_images import size_of_picture
from sdtui.requests.training.captions import caption_file, caption_line, read_caption, tags_of
from sdtui.requests.training.pictures import PictureFolder, no_pictures, training_folders

UNREADABLE = "left out, since it can't be read as a picture"
"""What is said of files."""
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
            found.setdefault(each.folder, Counter()).update(tags_of(each.caption.lower()))
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
    folders = training_folders(folder, class_folder)
    found = _Found()
    pictures = [picture for each in folders.learned for picture in found.read(each, caption)]
    if not pictures:
        raise no_pictures(folder, " that can be read" if found.unreadable else "")
    class_pictures = [
        picture
        for each in folders.classes
        for picture in found.read(each, class_prompt, is_class=True)
    ]
    return Dataset(tuple(pictures), tuple(class_pictures), tuple(found.notices()))


@dataclass
class _Found:
    """Reads folders and collects what is wrong with their files."""

    unreadable: list[Path] = field(default_factory=list)
    uncaptioned: dict[str, list[Path]] = field(default_factory=dict)
    """Pictures without a caption by the one that they get."""
    bad_captions: list[Path] = field(default_factory=list)

    def read(
        self, folder: PictureFolder, caption: str, *, is_class: bool = False
    ) -> Iterator[TrainingPicture]:
        if folder.repeats == 0:
            return  # switched off, as with kohya's scripts
        default = caption or folder.words
        for path in folder.pictures():
            size = _size(path)
            if size is None:
                self.unreadable.append(path)
                continue
            own = self._caption(path)
            if own is None and not is_class:
                self.uncaptioned.setdefault(default, []).append(path)
            text = default if own is None else own
            yield TrainingPicture(path, size, text, folder.repeats, is_class)

    def _caption(self, picture: Path) -> str | None:
        """Return the caption of a picture; None if there is none."""
        try:
            text = read_caption(picture)
        except (OSError, UnreadableTextError):
            self.bad_captions.append(caption_file(picture) or picture)
            return None
        return None if text is None else caption_line(text)

    def notices(self) -> Iterator[str]:
        if self.unreadable:
            yield about_files(
                self.unreadable, "file", "left out, since it can't be read as a picture"
            )
        if self.bad_captions:
            yield about_files(
                self.bad_captions, "caption", "not used, since it is no text in UTF-8"
            )
        for caption, pictures in self.uncaptioned.items():
            given = f'gets "{shortened(caption)}"'
            yield about_files(pictures, "picture", f"without a caption of its own: {given}")


def about_files(files: Sequence[Path], kind: str, what: str) -> str:
    """Return a notice about files, of which a few are named: "2 files left out (a.png, b.png)"."""
    named = ", ".join(one_line(each.name) for each in files[:_MOST_NAMED])
    more = ", …" if len(files) > _MOST_NAMED else ""
    return f"{counted(len(files), kind)} {what} ({named}{more})"


def _size(path: Path) -> tuple[int, int] | None:
    """Return the size of a picture as it is seen, from its header; None if it can't be read."""
    try:
        return size_of_picture(path)
    except ImageError:
        return None
