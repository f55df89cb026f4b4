"""What happens before the first step: the model, pictures of the class, latents, embeddings."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdtui.core.enums import DType, MemoryMode, Speed
from sdtui.core.errors import TrainingError, UnsupportedModelError
from sdtui.core.text import counted
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models import native_size
from sdtui.requests.training.events import Notice, Preparing
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.buckets import bucket_sizes, crop_to_bucket
from sdtui.training.class_pictures import make_class_pictures, read_pictures
from sdtui.training.conditions import CaptionEncoder
from sdtui.training.dataset import Dataset
from sdtui.training.folder import CACHE
from sdtui.training.latent_store import LatentStore, PreparedPicture
from sdtui.training.session import TrainingSession

FAMILIES = ("sd1", "sd2", "sdxl", "pocket")
"""Those whose U-Nets are trained."""
_REPORT_SECONDS = 0.2


@dataclass(frozen=True)
class PreparedData:
    """The pictures as the training uses them."""

    dataset: Dataset
    learned: tuple[PreparedPicture, ...]
    classes: tuple[PreparedPicture, ...]
    resolution: int
    """Pixels."""
    captions: CaptionEncoder

    def buckets(self) -> dict[str, int]:
        """Return the number of pictures by size, e.g. "512x640"."""
        sizes = (each.crop.bucket for each in self.learned)
        return dict(Counter(f"{width}x{height}" for width, height in sizes))


def load_trained_model(engine: StableDiffusionEngine, request: TrainingRequest) -> LoadedModel:
    """Load the model as a whole, without anything that speeds up pictures alone.

    Raises the errors of `StableDiffusionEngine.load`, and UnsupportedModelError for a model that
    can't be trained.
    """
    _, description = engine.find(request.model)
    if description.family not in FAMILIES:
        raise UnsupportedModelError(
            f"{request.model} is of the family {description.traits.name or description.family},"
            " which can't be trained",
            "Take a model of Stable Diffusion 1, 2 or XL, or pocket",
        )
    if description.is_refiner:
        raise UnsupportedModelError(
            f"{request.model} is a refiner, which can't be trained", "Train the base model"
        )
    if description.is_inpainting:
        raise UnsupportedModelError(
            f"{request.model} is a model for inpainting, which can't be trained",
            "Train the model that it was made of; the LoRA fits both",
        )
    dtype = request.execution.dtype
    if dtype is DType.AUTO:
        dtype = DType.BFLOAT16 if engine.device.is_accelerator else DType.FLOAT32
    return engine.load(request.model, dtype, MemoryMode.FULL, Speed.QUALITY)


class Preparation:
    """Prepares the pictures of a training with a loaded model."""

    def __init__(self, session: TrainingSession) -> None:
        self._session = session
        self._request = session.request
        self._engine = session.engine
        self._model = session.model
        self._folder = session.folder
        self._report = session.report
        self._control = session.control
        self._processes = session.processes

    def prepare(self, dataset: Dataset) -> PreparedData:
        """Make what the steps need. Raises TrainingError, CancelledError, and torch's errors when
        memory runs out."""
        request = self._request
        if request.data.class_prompt:
            if self._processes.is_main:
                make_class_pictures(self._session, dataset)
            self._processes.wait()
            dataset = read_pictures(request, self._folder)  # in the same order each time
        native = native_size(self._model.description)
        resolution = request.data.resolution or max(native)
        buckets: tuple[tuple[int, int], ...] = ((resolution, resolution),)
        if request.data.enable_bucket:
            buckets = bucket_sizes(resolution, self._size_multiple())
        pictures = [
            (each, crop_to_bucket(each.size, buckets))
            for each in (*dataset.pictures, *dataset.class_pictures)
        ]
        store = LatentStore(
            self._folder / CACHE / "latents", self._model, with_flipped=request.data.random_flip
        )
        report, cancellation = self._reporter("latents"), self._control.cancellation
        if self._processes.count > 1:
            own = [pictures[index] for index in self._processes.share(len(pictures))]
            store.prepare(own, report, cancellation)
            self._processes.wait()
        prepared, errors = store.prepare(pictures, report, cancellation)
        if errors:
            self._report(Notice(text=f"{counted(len(errors), 'picture')} left out: {errors[0]}"))
        learned = tuple(each for each in prepared if not each.picture.is_class)
        if not learned:
            raise TrainingError("none of the pictures can be read", "See the log for each of them")
        captions = self._captions(prepared)
        classes = tuple(each for each in prepared if each.picture.is_class)
        return PreparedData(dataset, learned, classes, resolution, captions)

    def _captions(self, prepared: Sequence[PreparedPicture]) -> CaptionEncoder:
        """Return the encoder of captions, which are encoded ahead if that is possible."""
        is_trained = self._request.network.train_text_encoder
        are_known = not (is_trained or self._request.data.shuffle_caption)
        folder = self._folder / CACHE / "embeddings"
        encoder = CaptionEncoder(self._model, folder if are_known else None, is_trained=is_trained)
        texts = list(dict.fromkeys(each.picture.caption for each in prepared))
        self._note_long(texts)
        if encoder.is_ahead:
            report = self._reporter("captions")
            texts.append("")  # of dropped captions
            for number in self._processes.share(len(texts)):
                self._control.cancellation.check()
                encoder.prepare(texts[number])
                report(number + 1, len(texts))
            self._processes.wait()
        return encoder

    def _note_long(self, captions: Sequence[str]) -> None:
        counters = self._model.counters.values()
        long = [
            each
            for each in captions
            if any(one.count(each).cut_from is not None for one in counters)
        ]
        if long:
            self._report(
                Notice(
                    text=f"{counted(len(long), 'caption')} longer than the model reads: the end"
                    " isn't used"
                )
            )

    def _reporter(self, what: str) -> Callable[[int, int], None]:
        """Return what reports progress, not more often than people can read."""
        reported = -math.inf

        def report(done: int, total: int) -> None:
            nonlocal reported
            now = time.monotonic()
            if done == total or now - reported > _REPORT_SECONDS:
                reported = now
                self._report(Preparing(what=what, done=done, total=total))

        return report

    def _size_multiple(self) -> int:
        """The pixels of which a picture's sides are multiples."""
        levels = len(self._model.pipeline.unet.config.block_out_channels)
        return int(self._model.vae_factor * 2 ** (levels - 1))
