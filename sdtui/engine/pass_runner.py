"""PassRunner: the passes that a run makes with one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.attachments import AttachmentReporter
from sdtui.engine.embeddings import Embeddings
from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Plan
from sdtui.engine.passes import Batch, Pass, PassResults
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.run_stages import RunStages
from sdtui.engine.stages.decode import decode
from sdtui.engine.stages.denoise import denoise
from sdtui.engine.stages.prepare import Preparation, prepare, prepared
from sdtui.engine.step_reporter import (
    BatchPlace,
    StepReporter,
    batch_place,
    pass_place,
)
from sdtui.requests.events import Report
from sdtui.requests.record import PassPlace, Stage


@dataclass(frozen=True)
class RunContext:
    """What the passes of a run have in common, whatever their models."""

    engine: StableDiffusionEngine
    report: Report
    cancellation: Cancellation
    seeds: tuple[int, ...]
    variation_seeds: tuple[int, ...] | None
    """Of each picture; None without variation."""
    notice: Callable[[str], None]
    """Called with messages for the user."""
    stages: RunStages
    attachments: AttachmentReporter
    results: PassResults = field(default_factory=PassResults)
    steps: dict[int, int] = field(default_factory=dict)
    """Steps of each pass, where known."""

    def variation_seed(self, index: int) -> int | None:
        """Return the variation seed of a picture."""
        return None if self.variation_seeds is None else self.variation_seeds[index]


@dataclass
class PassRunner:
    """Runs batches of pictures through passes with a loaded model."""

    run: RunContext
    model: LoadedModel
    features: ActiveFeatures
    """Those that the model can have."""
    passes: tuple[Pass, ...]
    """All passes of the run."""
    plan: Plan
    _embeddings: dict[tuple[int, int], Embeddings] = field(default_factory=dict)
    """By the number of the pass and that of pictures."""

    def encode(self, numbers: Iterable[int]) -> None:
        """Encode the prompts of some passes, for batches of the sizes that the plan makes."""
        count, size = len(self.run.seeds), self.plan.batch_size
        sizes = {min(count, size), count % size or size}
        numbers = list(numbers)
        self._encode([(number, pictures) for number in numbers for pictures in sizes])
        for number in numbers:
            batch = self._batch(number, [0] * min(sizes))
            for name in family_of(self.model.description).not_accepted(self.model, batch):
                self.run.notice(f"{self.model.source.name} doesn't take {name}: it was left out")

    def advance(
        self, number: int, indices: list[int], finished: Iterable[int]
    ) -> list[Image.Image] | None:
        """Prepare and denoise some pictures in pass `number`. Returns them if the model gives
        finished pictures. `finished` are the pictures of the run that are done."""
        ready = self._ready(number, indices)
        self.run.attachments.add(self.features.attachments(ready))
        return self._denoise(number, indices, ready, finished)

    def prepare(self, number: int, indices: list[int]) -> None:
        """Prepare some pictures for pass `number`, as far as they aren't yet."""
        self._ready(number, indices)

    def decode(self, indices: list[int]) -> list[Image.Image]:
        """Decode pictures that have completed all passes."""
        with self.run.stages.enter_with(Stage.DECODE, self.model, self.features):
            self.run.cancellation.check()
            latents = self.run.results.latest(indices)
            assert latents is not None
            return decode(
                self.model,
                latents,
                self.passes[-1].request,
                slicing=self.plan.vae_slicing,
                tile=self.plan.vae_tile,
                notice=self.run.notice,
            )

    def _ready(self, number: int, indices: list[int]) -> Batch:
        """Return a batch of pass `number` with all that is prepared for it."""
        place = pass_place(self.passes, number)
        if (number, len(indices)) not in self._embeddings:
            self._encode([(number, len(indices))], place)
        batch = self._batch(number, indices)
        kept = self.run.results
        ready = prepared(batch, number, indices, self.features, kept)
        if ready is None:
            with self.run.stages.enter_with(Stage.PREPARE, self.model, self.features, place):
                self.run.cancellation.check()
                how = Preparation(
                    number=number,
                    indices=indices,
                    before=self.passes[number - 1].request if number else None,
                    slicing=self.plan.vae_slicing,
                    tile=self.plan.prepare_tile,
                    notice=self.run.notice,
                    cancellation=self.run.cancellation,
                )
                prepare(self.model, batch, self.features, kept, how)
            ready = prepared(batch, number, indices, self.features, kept)
            assert ready is not None
        return ready

    def _batch(self, number: int, indices: list[int]) -> Batch:
        return Batch(
            pass_=self.passes[number],
            seeds=tuple(self.run.seeds[index] for index in indices),
            variation_seeds=tuple(self.run.variation_seed(index) for index in indices),
            embeddings=self._embeddings[number, len(indices)],
            before=self.run.results.latest(indices),
            encoded=self.run.results.encoded,
        )

    def _encode(self, wanted: list[tuple[int, int]], place: PassPlace | None = None) -> None:
        """Encode the prompts of passes, each given by its number and that of pictures."""
        passes = [(self.passes[number], pictures) for number, pictures in wanted]
        made = self.run.stages.encode(self.model, self.features, passes, place)
        self._embeddings.update(zip(wanted, made, strict=True))

    def _denoise(
        self, number: int, indices: list[int], batch: Batch, finished: Iterable[int]
    ) -> list[Image.Image] | None:
        run = self.run
        place = self._place(number, indices, finished)
        watch = run.engine.settings.previews
        with run.stages.enter_with(Stage.DENOISE, self.model, self.features, place.of_pass):
            reporter = StepReporter(run.engine, self.model, place, run.report, run.cancellation)
            denoised = denoise(self.model, batch, self.features, reporter, watch=watch)
            for notice in self.features.notices(self.model):
                run.notice(notice)
        openvino = self.model.speedups.openvino
        for notice in () if openvino is None else openvino.notices:
            run.notice(notice)
        reuse = self.model.speedups.reuse
        if reuse is not None and (summary := reuse.summary()):
            run.notice(summary)
        run.cancellation.check()
        run.steps[number] = reporter.steps
        if isinstance(denoised, list):
            if number + 1 < len(self.passes):
                raise UnsupportedModelError(
                    f"{self.model.source.name} gives finished pictures, which no other pass can "
                    "go on with",
                    "Leave out what makes further passes, or use another model",
                )
            return denoised
        for index, latents in zip(indices, denoised.split(1), strict=True):
            run.results.add(index, batch.pass_, latents)
        return None

    def _place(self, number: int, indices: list[int], finished: Iterable[int]) -> BatchPlace:
        steps = [self.run.steps.get(i, each.expected_steps) for i, each in enumerate(self.passes)]
        begun = {*indices, *self.run.results.begun(), *finished}
        waiting = len(self.run.seeds) - len(begun)
        return batch_place(self.passes, steps, number, indices, waiting)
