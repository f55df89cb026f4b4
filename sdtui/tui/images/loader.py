"""Reading pictures for the screen. For other threads than the app's: a large PNG takes a while, and
a backend on another machine longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import HistoryError, ImageError, SdtuiError

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.history import Entry
    from sdtui.jobs import PictureId, Pictures
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest

_CACHE_BYTES = 64 * 2**20
LARGEST_SIDE = 8192
"""Pixels of the longest side of a picture that is read to be magnified: 200 MB in memory."""


@dataclass(frozen=True)
class ShownPicture:
    """A saved picture or an input image."""

    path: Path
    """Its file on the backend's machine, which may be another one."""
    id: PictureId | None = None
    """None if only its path is known."""


def picture_of(entry: Entry) -> ShownPicture:
    """Return the picture of a history entry."""
    return ShownPicture(entry.path, entry.id)


def input_images(request: GenerationRequest) -> tuple[ShownPicture, ...]:
    """Return what a request's result is compared with; none if it starts from noise alone."""
    path = request.first_input_image
    return () if path is None else (ShownPicture(path),)


def made_from(entry: Entry, record: GenerationRecord | None) -> tuple[ShownPicture, ...]:
    """Return what a picture is compared with: the image that it started from, and its control maps,
    which take the place of the control pictures that they show."""
    if record is None:
        return ()
    from sdtui.jobs import AttachmentPicture

    images = [image for image in record.images if len(record.images) == 1]
    maps = tuple(
        ShownPicture(entry.path.with_name(each.file), AttachmentPicture(entry.id, each.name))
        for image in images
        for each in image.attachments
    )
    starts_from_noise = (
        record.request.image_to_image is None and record.request.upscale.image is None
    )
    return maps if maps and starts_from_noise else (*input_images(record.request), *maps)


class PictureLoader:
    """Reads a backend's pictures. Of those that are no files of this machine, the last ones are
    kept in memory, encoded."""

    def __init__(self, open_pictures: Callable[[], Pictures]) -> None:
        """`open_pictures` returns the backend's pictures; it is called on other threads."""
        self._open_pictures = open_pictures
        self._cache: dict[ShownPicture, bytes] = {}
        self._lock = threading.Lock()

    def load(self, picture: ShownPicture, largest: int = 2048) -> Image:
        """Return a picture with no side longer than `largest` pixels. Raises ImageError."""
        from PIL import Image, ImageOps, UnidentifiedImageError

        source = self._find(picture)
        try:
            with Image.open(source) as file:
                image = _opaque(ImageOps.exif_transpose(file))
        except UnidentifiedImageError as error:  # its text shows the object in memory
            raise _unreadable(picture, "its format is unknown") from error
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise _unreadable(picture, str(error)) from error
        image.thumbnail((largest, largest))
        return image

    def exists(self, picture: ShownPicture) -> bool:
        """Return False if a picture was deleted."""
        try:
            self._ask_backend(picture)
        except HistoryError:
            return picture.path.exists()
        except SdtuiError:
            return True  # the backend can't be asked
        return True

    def _find(self, picture: ShownPicture) -> Path | BytesIO:
        """Return a picture's file, or its contents if it isn't on this machine. Raises
        ImageError."""
        if picture.id is None and picture.path.exists():
            return picture.path
        try:
            return self._ask_backend(picture)
        except SdtuiError as error:
            # A local backend refuses links out of its folder, as a server must, and forgets old
            # jobs. The files of the app's user are shown all the same.
            if picture.path.exists():
                return picture.path
            raise _unreadable(picture, error.what) from error

    def _ask_backend(self, picture: ShownPicture) -> Path | BytesIO:
        pictures = self._open_pictures()
        found = pictures.get(picture.path).id if picture.id is None else picture.id
        return pictures.local_file(found) or BytesIO(self._read(pictures, picture, found))

    def _read(self, pictures: Pictures, picture: ShownPicture, found: PictureId) -> bytes:
        with self._lock:
            data = self._cache.pop(picture, None)
        if data is None:
            data = pictures.read(found)
        with self._lock:
            self._cache[picture] = data  # the last in order is the one that was used last
            while sum(map(len, self._cache.values())) > _CACHE_BYTES:
                del self._cache[next(iter(self._cache))]
        return data


def _opaque(image: Image) -> Image:
    """Return a picture in RGB. Transparent parts are white, as where a picture starts from it."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")


def _unreadable(picture: ShownPicture, reason: str) -> ImageError:
    problem = f"{picture.path} can't be shown: {reason}"
    return ImageError(problem, "The file may be damaged, moved or in the trash")
