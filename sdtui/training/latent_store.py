"""The pictures' latents, made once and kept on disk while the training lasts, so that the VAE
needn't stay in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image, ImageOps

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import ImageError
from sdtui.engine.latents import encode_pixels
from sdtui.engine.loaded import LoadedModel
from sdtui.requests.input_images import open_init_image
from sdtui.training.buckets import Crop
from sdtui.training.dataset import TrainingPicture
from sdtui.training.tensor_files import TensorFiles, read_tensors

_PLAIN, _FLIPPED = "latents", "flipped"

OnPicture = Callable[[int, int], None]
"""Called after each picture: how many are done, and how many there are."""


@dataclass(frozen=True)
class PreparedPicture:
    """A picture whose latents are there."""

    picture: TrainingPicture
    crop: Crop
    file: Path
    """Its latents."""

    def latents(self, *, flipped: bool) -> torch.Tensor:
        """Return the latents, channels x height x width, in main memory."""
        return read_tensors(self.file)[_FLIPPED if flipped else _PLAIN]


class LatentStore:
    """Makes the latents of pictures in a folder."""

    def __init__(self, folder: Path, model: LoadedModel, *, with_flipped: bool) -> None:
        self._files = TensorFiles(folder, model)
        self._model = model
        self._with_flipped = with_flipped

    def prepare(
        self,
        pictures: Iterable[tuple[TrainingPicture, Crop]],
        on_picture: OnPicture,
        cancellation: Cancellation,
    ) -> tuple[list[PreparedPicture], list[ImageError]]:
        """Return the pictures with latents, and the errors of those that can't be read. What an
        earlier training has left is used. Raises CancelledError and OSError."""
        prepared: list[PreparedPicture] = []
        errors: list[ImageError] = []
        wanted = list(pictures)
        for number, (picture, crop) in enumerate(wanted, start=1):
            cancellation.check()
            try:
                file = self._file(picture, crop)
                self._files.fill(file, partial(self._encode, picture, crop))
                prepared.append(PreparedPicture(picture, crop, file))
            except ImageError as error:
                errors.append(error)
            on_picture(number, len(wanted))
        return prepared, errors

    def _encode(self, picture: TrainingPicture, crop: Crop) -> dict[str, torch.Tensor]:
        opened = open_init_image(picture.path, "picture").image
        scaled = opened.resize(crop.scaled, Image.Resampling.LANCZOS).crop(crop.box)
        tensors = {_PLAIN: self._latents(scaled)}
        if self._with_flipped:
            tensors[_FLIPPED] = self._latents(ImageOps.mirror(scaled))
        return tensors

    def _latents(self, image: Image.Image) -> torch.Tensor:
        pixels = self._model.pipeline.image_processor.preprocess(image)
        return encode_pixels(self._model, pixels)[0]

    def _file(self, picture: TrainingPicture, crop: Crop) -> Path:
        """Raises ImageError if the picture has been deleted."""
        path = picture.path
        try:
            status = path.stat()
        except OSError as error:
            raise ImageError(f"{path} can't be read: {error.strerror}", "Put it back") from error
        file = (path.resolve(), status.st_size, status.st_mtime_ns)
        return self._files.file(*file, crop, self._with_flipped)
