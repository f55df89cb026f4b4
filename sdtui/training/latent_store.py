"""The pictures' latents, made once and kept on disk while the training lasts, so that the VAE
needn't stay in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import ImageError
from sdtui.core.files import write_atomic
from sdtui.engine.latents import encode_pixels
from sdtui.engine.loaded import LoadedModel
from sdtui.requests.input_images import open_picture
from sdtui.training.buckets import Crop
from sdtui.training.dataset import TrainingPicture

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
        return load_file(self.file)[_FLIPPED if flipped else _PLAIN]


class LatentStore:
    """Makes the latents of pictures in a folder."""

    def __init__(self, folder: Path, model: LoadedModel, *, with_flipped: bool) -> None:
        self._folder = folder
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
        self._folder.mkdir(parents=True, exist_ok=True)
        prepared: list[PreparedPicture] = []
        errors: list[ImageError] = []
        wanted = list(pictures)
        for number, (picture, crop) in enumerate(wanted, start=1):
            cancellation.check()
            file = self._folder / f"{self._key(picture, crop)}.safetensors"
            try:
                if not _is_whole(file):
                    write_atomic(file, save(self._encode(picture, crop)), durable=False)
                prepared.append(PreparedPicture(picture, crop, file))
            except ImageError as error:
                errors.append(error)
            on_picture(number, len(wanted))
        return prepared, errors

    def _encode(self, picture: TrainingPicture, crop: Crop) -> dict[str, torch.Tensor]:
        opened = open_picture(picture.path).image
        scaled = opened.resize(crop.scaled, Image.Resampling.LANCZOS).crop(crop.box)
        tensors = {_PLAIN: self._latents(scaled)}
        if self._with_flipped:
            tensors[_FLIPPED] = self._latents(ImageOps.mirror(scaled))
        return tensors

    def _latents(self, image: Image.Image) -> torch.Tensor:
        pixels = self._model.pipeline.image_processor.preprocess(image)
        return encode_pixels(self._model, pixels)[0].cpu().contiguous()

    def _key(self, picture: TrainingPicture, crop: Crop) -> str:
        status = picture.path.stat()
        parts = (
            *(picture.path.resolve(), status.st_size, status.st_mtime_ns, crop),
            *(self._model.record.hash, self._model.dtype, self._with_flipped),
        )
        return hashlib.sha256(
            "|".join(map(str, parts)).encode("utf-8", "surrogateescape")
        ).hexdigest()


def _is_whole(file: Path) -> bool:
    try:
        load_file(file)
    except (OSError, SafetensorError):
        return False
    return True
