"""Passes: a run denoises its pictures one or more times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

import torch
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.embeddings import Embeddings
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.noise import BatchNoise
from sdtui.engine.remembered import Remembered
from sdtui.engine.resolved_request import ResolvedRequest


@dataclass(frozen=True)
class StartContext:
    """What the start of a pass is computed from, for N pictures."""

    model: LoadedModel
    request: ResolvedRequest
    """Of the pass."""
    generators: Sequence[torch.Generator]
    """One for each picture, for what is drawn; the noise of the pass continues them."""
    before: torch.Tensor | None
    """The latents of the previous pass, N x C x h x w on the CPU; None in the first pass."""
    decode_before: Callable[[], list[Image.Image]]
    """Decodes `before` to N pictures. Raises BrokenPictureError."""
    notice: Callable[[str], None]
    """Called with messages for the user."""
    cancellation: Cancellation


class Start(Protocol):
    """What a pass starts from, if not from noise alone. Instances compare by value: latents are
    reused as long as the passes that made them stay equal. Called in the prepare stage; the VAE has
    the slices and tiles of the plan."""

    @property
    def has_pictures(self) -> bool:
        """True if there are pictures, for families whose pipelines encode them themselves."""
        ...

    def latents(self, context: StartContext) -> torch.Tensor:
        """Return the latents that noise is added to, N x C x h x w for the pass's size, in the
        denoiser's dtype, on the device that the pipeline computes on."""
        ...

    def images(self, context: StartContext) -> list[Image.Image]:
        """Return N pictures of the pass's size, if it `has_pictures`."""
        ...

    def picture(self, request: ResolvedRequest) -> Image.Image | None:
        """Return the one picture that all N are, if it is there before the previous pass.
        `request` is that of the pass."""
        ...


@dataclass(frozen=True)
class PictureStart:
    """What one picture of a pass starts from: latents, or a picture that the pipeline encodes."""

    generator: torch.Tensor
    """The state of the picture's generator afterwards."""
    latents: torch.Tensor | None = None
    """1 x C x h x w."""
    image: Image.Image | None = None


@dataclass(frozen=True)
class MaskedPicture:
    """A picture of which only a part is repainted."""

    image: Image.Image
    """RGB."""
    mask: Image.Image
    """Mode L, of the same size: 255 = repainted, 0 = kept."""


@dataclass(frozen=True)
class CanvasPart:
    """A part of a larger picture."""

    image: Image.Image
    """The part as it is before the pass."""
    box: tuple[int, int, int, int]
    """Left, top, right and bottom in pixels."""
    canvas: tuple[int, int]
    """Width and height of the whole."""


@dataclass(frozen=True)
class Pass:
    """One denoising of a run's pictures."""

    request: ResolvedRequest
    start: Start | None = None
    """None = from noise alone."""
    strength: float = 1.0
    """The share of the steps that are run from `start`, 0 to 1."""
    last_steps: int | None = None
    """Number of steps that are run, the last ones of the schedule, in place of `strength`."""
    first: Pass | None = None
    """The pass whose steps the times in this one's prompts count on from (see `parse_schedule`)."""
    noise_multiplier: float = 1.0
    """What the noise that is added to `start` is multiplied by."""
    masked: MaskedPicture | None = None
    """What is repainted of `start`; None = all of it."""
    references: tuple[Image.Image, ...] = ()
    """Pictures in RGB that an editing model uses besides the prompt, of any sizes."""
    part: CanvasPart | None = None
    """What the pass makes anew, if that is a part of a larger picture."""
    end: float = 1.0
    """The share of the noise levels after which the pass ends, unfinished."""
    begin: float = 0.0
    """The share of the noise levels after which it begins, from latents with their noise; 0 = noise
    is added to what it starts from."""
    prompts: int = 1
    """Parts of the prompt that are denoised apart."""
    name: str = ""
    """What the pass is called, e.g. "hires"; "" for an ordinary first one."""
    model: str | None = None
    """The model that makes it; None = the request's."""

    @property
    def has_pictures(self) -> bool:
        """True if pictures are encoded before it is denoised."""
        return self.start is not None or bool(self.references)

    @property
    def expected_steps(self) -> int:
        """Return the number of steps, as far as it is known before the scheduler is created."""
        steps = self.request.num_inference_steps
        if self.last_steps is not None:
            steps = self.last_steps
        elif self.start is not None:
            steps = int(steps * self.strength)
        return steps if (self.begin, self.end) == (0, 1) else round(steps * (self.end - self.begin))


@dataclass(frozen=True)
class Batch:
    """Pictures that a pass denoises together."""

    pass_: Pass
    seeds: tuple[int, ...]
    embeddings: Embeddings
    """Of one picture."""
    variation_seeds: tuple[int | None, ...] = ()
    """Of each picture, None without variation; may be shorter than `seeds`."""
    before: torch.Tensor | None = None
    """The latents of the previous pass, N x C x h x w on the CPU; None in the first pass."""
    starts: tuple[PictureStart, ...] = ()
    """Of each picture; empty if the pass starts from noise alone, and before they are prepared."""
    prepared: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What each feature has prepared, by its name."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Additional arguments of the pipeline's call, from the features."""
    encoded: Remembered = field(default_factory=Remembered)
    """What the pipeline's encoders gave in the prepare stage, for families whose call encodes
    pictures."""

    def noise(self) -> BatchNoise:
        """Return the noise of the pictures: from the beginning of each stream, or as it goes on
        after the starts."""
        noise = BatchNoise(self.pass_.request.noise, self.seeds, self.variation_seeds)
        for generator, start in zip(noise.generators, self.starts, strict=False):
            generator.set_state(start.generator)
        return noise

    @property
    def start(self) -> torch.Tensor | None:
        """The latents that noise is added to, N x C x h x w; None if there are none."""
        latents = [each.latents for each in self.starts if each.latents is not None]
        return torch.cat(latents) if latents else None


@dataclass(frozen=True)
class _Prepared:
    """What a feature has prepared for some pictures of a pass."""

    number: int
    pass_: Pass
    section: object
    indices: tuple[int, ...] | None
    """None = for all of them."""
    values: Mapping[str, object]

    def is_for(self, section: object, pass_: Pass, number: int) -> bool:
        """Return whether it was prepared with a section for pass `number`."""
        return (self.number, self.pass_, self.section) == (number, pass_, section)

    def rows_for(self, indices: Sequence[int]) -> Mapping[str, object] | None:
        """Return the values for some of the pictures; None if they aren't among these."""
        if self.indices is None or tuple(indices) == self.indices:
            return self.values
        if not set(indices) <= set(self.indices):
            return None
        count = len(self.indices)
        rows = [self.indices.index(each) for each in indices]
        return {
            name: value[rows] if _has_rows(value, count) else value
            for name, value in self.values.items()
        }


def _has_rows(value: object, count: int) -> TypeGuard[torch.Tensor]:
    return isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == count


class PassResults:
    """The latents of each pass for each picture and what the next pass needs, until the picture is
    finished."""

    def __init__(self) -> None:
        self._results: dict[int, list[tuple[Pass, torch.Tensor]]] = {}
        self._starts: dict[int, tuple[Pass, PictureStart]] = {}
        """Of the next pass of each picture."""
        self._prepared: dict[str, list[_Prepared]] = {}
        """By feature."""
        self.encoded = Remembered()
        """What pipelines have encoded of pictures."""
        self._encoded: list[tuple[Pass, tuple[int, ...]]] = []
        """The batches of which they have encoded everything, in their next pass."""

    def add(self, index: int, pass_: Pass, latents: torch.Tensor) -> None:
        """Add the latents of the next pass for picture `index`, 1 x C x h x w on the CPU."""
        self._results.setdefault(index, []).append((pass_, latents))
        self._starts.pop(index, None)
        self._drop_used()

    def add_start(self, index: int, pass_: Pass, start: PictureStart) -> None:
        """Keep what the next pass of a picture starts from."""
        self._starts[index] = (pass_, start)

    def starts(self, indices: Iterable[int], pass_: Pass) -> tuple[PictureStart, ...] | None:
        """Return what pictures start from in their next pass; None if it isn't there for all of
        them."""
        kept = [self._starts.get(index) for index in indices]
        starts = tuple(each[1] for each in kept if each is not None and each[0] == pass_)
        return starts if len(starts) == len(kept) else None

    def add_prepared(
        self,
        feature: str,
        section: object,
        pass_: Pass,
        number: int,
        indices: Sequence[int] | None,
        values: Mapping[str, object],
    ) -> None:
        """Keep what a feature has prepared for pass `number` of these pictures; None = of all."""
        kept = None if indices is None else tuple(indices)
        made = _Prepared(number, pass_, section, kept, values)
        others = [
            each
            for each in self._prepared.get(feature, ())
            if each.is_for(section, pass_, number) and each.indices != kept
        ]
        self._prepared[feature] = [*others, made]

    def prepared(
        self, feature: str, section: object, pass_: Pass, number: int, indices: Sequence[int]
    ) -> Mapping[str, object] | None:
        """Return what a feature has prepared for these pictures, or None."""
        kept = (
            each.rows_for(indices)
            for each in self._prepared.get(feature, ())
            if each.is_for(section, pass_, number)
        )
        return next((values for values in kept if values is not None), None)

    def is_encoded(self, indices: Sequence[int], pass_: Pass) -> bool:
        """Return whether pipelines have encoded what they need for a batch of pictures."""
        return (pass_, tuple(indices)) in self._encoded

    def set_encoded(self, indices: Sequence[int], pass_: Pass) -> None:
        """Note that pipelines have encoded what they need for a batch of pictures."""
        self._encoded.append((pass_, tuple(indices)))

    def _drop_used(self) -> None:
        """Drop what was prepared for batches that have completed their pass."""
        for feature, kept in self._prepared.items():
            self._prepared[feature] = [
                each
                for each in kept
                if each.indices is None
                or any(self.passes_done(index) == each.number for index in each.indices)
            ]

    def passes_done(self, index: int) -> int:
        """Return the number of completed passes of a picture."""
        return len(self._results.get(index, ()))

    def begun(self) -> set[int]:
        """Return the pictures with at least one completed pass."""
        return {index for index, results in self._results.items() if results}

    def latest(self, indices: Iterable[int]) -> torch.Tensor | None:
        """Return the latest latents of pictures with the same number of completed passes, N x C x h
        x w, or None if that number is 0.

        They are stored as batches of one and joined by cat, which preserves their memory format:
        kernels round differently for another one.
        """
        last = [self._results[index][-1][1] for index in indices if self.passes_done(index)]
        return torch.cat(last) if last else None

    def keep_only(self, passes: Sequence[Pass]) -> None:
        """Drop the latents of passes that are no longer in `passes`, and everything derived from
        them."""
        for index, results in self._results.items():
            valid = 0
            for (producer, _), pass_ in zip(results, passes, strict=False):
                if producer != pass_:
                    break
                valid += 1
            if valid < len(results):
                del results[valid:]
                self._starts.pop(index, None)
                self._prepared.clear()

    def drop(self, index: int) -> None:
        """Drop all latents of a finished picture."""
        self._results.pop(index, None)
        self._starts.pop(index, None)
