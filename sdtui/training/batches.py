"""The order in which pictures are shown. Everything follows from the seed and the number of the
batch, so that a training that was interrupted goes on as if it hadn't been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sdtui.requests.training.data import TrainingData
from sdtui.training.captions import shown_caption
from sdtui.training.latent_store import PreparedPicture


@dataclass(frozen=True)
class Shown:
    """A picture as it is shown once."""

    prepared: PreparedPicture
    caption: str
    flipped: bool


class Batches:
    """The batches of all epochs; those of a batch have the same size."""

    def __init__(
        self, pictures: Sequence[PreparedPicture], batch_size: int, data: TrainingData, seed: int
    ) -> None:
        self._pictures = pictures
        self._batch_size = batch_size
        self._data = data
        self._seed = seed
        self._epoch: tuple[int, list[list[PreparedPicture]]] = -1, []
        self.in_epoch = len(self._batches(0))
        """Number of batches of an epoch."""

    def __getitem__(self, number: int) -> list[Shown]:
        """Return a batch of the endless sequence, from 0."""
        epoch, index = divmod(number, self.in_epoch)
        random = Random(f"{self._seed}/{number}")
        return [
            Shown(
                prepared,
                shown_caption(prepared.picture.caption, self._data, random),
                self._data.random_flip and random.random() < 0.5,
            )
            for prepared in self._batches(epoch)[index]
        ]

    def _batches(self, epoch: int) -> list[list[PreparedPicture]]:
        """Return the batches of an epoch in random order."""
        if self._epoch[0] != epoch:
            random = Random(f"{self._seed}/epoch {epoch}")
            buckets: dict[tuple[int, int], list[PreparedPicture]] = {}
            for each in self._pictures:
                buckets.setdefault(each.crop.bucket, []).extend([each] * each.picture.repeats)
            batches: list[list[PreparedPicture]] = []
            for pictures in buckets.values():
                random.shuffle(pictures)
                starts = range(0, len(pictures), self._batch_size)
                batches += [pictures[start : start + self._batch_size] for start in starts]
            random.shuffle(batches)
            self._epoch = epoch, batches
        return self._epoch[1]
