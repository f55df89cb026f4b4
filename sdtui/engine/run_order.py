"""RunOrder: which pictures of a run come next, and with which model."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.finisher import Finisher
from sdtui.engine.passes import Pass, PassResults


class RunOrder:
    """Puts the passes of all pictures in order: all pictures complete those of one model before
    another one is loaded."""

    def __init__(
        self,
        count: int,
        own_model: str,
        results: PassResults,
        finisher: Finisher,
        cancellation: Cancellation,
    ) -> None:
        """`count` is the number of pictures, `own_model` the request's."""
        self.passes: tuple[Pass, ...] = ()
        self.images: dict[int, Image.Image] = {}
        """The finished pictures."""
        self._count = count
        self._own_model = own_model
        self._results = results
        self._finisher = finisher
        self._cancellation = cancellation

    @property
    def is_done(self) -> bool:
        """True if all pictures are finished."""
        return len(self.images) == self._count

    @property
    def next_model(self) -> str:
        """The model of the next pass."""
        if not self.passes:
            return self._own_model
        done = min(self._waiting().values(), default=len(self.passes))
        return self._model_after(done)

    @property
    def are_decoded(self) -> bool:
        """True if no picture is to be decoded."""
        return not self._waiting()

    def passes_of(self, model: str) -> list[int]:
        """Return the numbers of the passes that a model makes."""
        return [n for n, each in enumerate(self.passes) if (each.model or self._own_model) == model]

    def next_batches(self, model: str, size: int, *, together: bool) -> tuple[int, list[list[int]]]:
        """Return the number of completed passes of the pictures that a model has to go on with, and
        these pictures in batches of a size."""
        done = {
            index: passes
            for index, passes in self._waiting().items()
            if self._model_after(passes) == model
        }
        return in_batches(done, size, together=together)

    def _model_after(self, passes: int) -> str:
        """Return the model of a picture that has completed some passes; that of the last one
        decodes it."""
        return self.passes[min(passes, len(self.passes) - 1)].model or self._own_model

    def _waiting(self) -> dict[int, int]:
        """Return the number of completed passes of each picture that isn't decoded. If the run is
        to stop, those that have begun are completed."""
        decoded = self.images.keys() | self._finisher.indices
        done = {
            index: self._results.passes_done(index)
            for index in range(self._count)
            if index not in decoded
        }
        begun = {index: passes for index, passes in done.items() if passes}
        is_begun = bool(begun) or self._finisher.has_pictures
        return begun if is_begun and self._cancellation.is_requested else done


def in_batches(
    done: Mapping[int, int], size: int, *, together: bool
) -> tuple[int, list[list[int]]]:
    """Return the number of completed passes of the pictures that come next, and these pictures in
    batches of a size.

    `done` are the completed passes of each picture. Those that have completed most come first, so
    that pictures are finished early; if they go `together` those that have completed fewest, so
    that all complete a pass before the next.
    """
    choose = min if together else max
    passes = choose(done.values())
    pictures = [index for index, each in done.items() if each == passes]
    return passes, [pictures[first : first + size] for first in range(0, len(pictures), size)]
