"""Run: one request, carried out in passes and stages.

A run can be advanced again after it failed: finished pictures and the latents of each pass are
kept, so running out of memory in the decoder or in a later pass never repeats a denoising.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import SdtuiError, UnsupportedModelError
from sdtui.engine.attachments import AttachmentReporter
from sdtui.engine.embeddings import Embeddings
from sdtui.engine.extra_pass import ExtraPasses
from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures, open_sections, sections_for
from sdtui.engine.finisher import Finisher
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.batching import choose_batch_size, expected_peak, held_before
from sdtui.engine.memory.ladder import Plan
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.engine.passes import Batch, Pass, PassResults
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.record_builder import ModelFacts, RecordBuilder
from sdtui.engine.resolve import resolve
from sdtui.engine.result import GenerationResult, OnImage
from sdtui.engine.stages.decode import decode
from sdtui.engine.stages.denoise import denoise
from sdtui.engine.stages.encode import encode, find_truncations
from sdtui.engine.stages.prepare import Preparation, prepare, prepared
from sdtui.engine.step_reporter import BatchPlace, StepReporter, batch_place, pass_place
from sdtui.requests.events import Estimated, Notice, Report, StageStarted, Truncated
from sdtui.requests.record import (
    AttemptRecord,
    GenerationRecord,
    ImageRecord,
    PassPlace,
    Stage,
)
from sdtui.requests.request import GenerationRequest


class Run:
    """Carries out one request. The generator may replace `plan` between two attempts."""

    def __init__(
        self,
        engine: StableDiffusionEngine,
        request: GenerationRequest,
        report: Report,
        cancellation: Cancellation,
        on_image: OnImage | None = None,
    ) -> None:
        self.request = request
        self._seeded = request.with_seed()
        self.seeds = self._seeded.seeds()
        self._variation_seeds = self._seeded.variation_seeds()
        self.stage = Stage.LOAD
        self.of_pass: PassPlace | None = None
        """The pass that the stage belongs to."""
        self.plan = Plan(
            batch_size=request.num_images_per_prompt,
            memory_mode=request.execution.memory_mode,
            modes=engine.modes,
        )
        self.attempts: list[AttemptRecord] = []
        """Attempts that ended, for the record."""
        self._builder = RecordBuilder(request, self.seeds, engine.device.torch.type)
        self._engine = engine
        self._report = report
        self._cancellation = cancellation
        self._on_image = on_image
        self._opened = False
        self._passes: tuple[Pass, ...] = ()
        self._steps: dict[int, int] = {}
        """Steps of each pass, where known."""
        self._results = PassResults()
        self._images: dict[int, Image.Image] = {}
        self._finisher = Finisher(engine, report, cancellation, self._notice, self._in_stage)
        self._attachments = AttachmentReporter(report)
        self._noticed: set[str] = set()
        self._truncations_reported = False
        engine.meter.start()
        if engine.threads:
            engine.threads.begin()
        self._held = held_before(engine.device, loaded=engine.loaded, model=request.model)

    @property
    def is_in_later_pass(self) -> bool:
        """True if the stage works with what an earlier pass has made."""
        if self.stage is Stage.DECODE:
            return len(self._passes) > 1
        return self.of_pass is not None and self.of_pass.number > 1

    @property
    def features(self) -> ActiveFeatures:
        """The features of the request, with the sections of the current plan."""
        return ActiveFeatures.of(self._engine.features, self.plan.sections)

    def try_advance(self) -> str | None:
        """Advance; returns None if the run is done, or the error's text if memory ran out. On
        return the error and its frames are released. Raises every other error."""
        try:
            self.advance()
        except OOM_CANDIDATES as error:
            if not is_out_of_memory(error):
                raise
            lines = str(error).strip().splitlines()
            return lines[0] if lines else type(error).__name__
        return None

    def advance(self) -> None:
        """Do all remaining work. Raises the errors of the stages; `stage` is the one that
        failed."""
        if not self._open_sections().needs_model():
            self._finish_without_model()
            return
        with ExitStack() as stack:
            with self._in_stage(Stage.LOAD):
                model = self._load()
                for feature in self._engine.features:
                    if feature.name not in self.plan.sections:
                        feature.reset(model)
                stack.enter_context(self.features.applied(model))
                for notice in self.features.notices(model):
                    self._notice(notice)
            with self._in_stage(Stage.ENCODE):
                embeddings = self._encode(model)
            while len(self._images) < len(self.seeds):
                self._advance_batch(model, embeddings)

    def result(self, error: SdtuiError | None = None) -> GenerationResult:
        """Return the finished pictures, in order, and the record."""
        indices = sorted(self._images)
        return GenerationResult(
            [self._images[index] for index in indices],
            self._record(indices, error=error, complete=len(indices) == len(self.seeds)),
            error,
        )

    # Stages

    def _open_sections(self) -> ActiveFeatures:
        """Open the sections of the features in the first attempt; return the features."""
        if not self._opened:
            self._cancellation.check()
            sections = open_sections(self._engine.features, self.request)
            self.plan = replace(self.plan, sections=sections)
            self._opened = True
            given = self.features.given_image()
            if given is not None:
                for index in range(len(self.seeds)):
                    self._finisher.add(index, given)
        return self.features

    def _finish_without_model(self) -> None:
        """Finish the given picture, which needs no model of the run."""
        if self.attempts:
            self._engine.unload()  # one that is idle, since memory ran out
        while self._finisher.has_pictures:
            self._finish_next(None)

    def _load(self) -> LoadedModel:
        self._cancellation.check()
        before = self._engine.loaded
        model = self._engine.load(
            self.request.model,
            self.request.execution.dtype,
            self.plan.memory_mode,
            self.request.execution.speed,
            report=self._report,
            cancellation=self._cancellation,
            features=self.features,
        )
        if model is not before:
            self._builder.load_timings = model.load_timings
            for notice in model.notices:
                self._notice(notice)
        self._builder.model = ModelFacts.of(model)
        for notice in model.speedups.notices:
            self._notice(notice)
        self._resolve(model)
        return model

    def _resolve(self, model: LoadedModel) -> None:
        """Resolve the plan in the first attempt, and set its passes in every one."""
        first = self.plan.resolved is None
        if first:
            self._choose_sections(model)
        resolved = self.plan.resolved or resolve(self._seeded, model, self.features)
        self.plan = replace(self.plan, resolved=resolved, memory_mode=model.memory_mode)
        self._passes = self.features.passes(Pass(resolved))
        last = self._passes[-1].request
        self.plan = replace(self.plan, finished_side=max(last.width, last.height))
        self._results.keep_only(self._passes)
        self._steps.clear()
        if first:
            self._choose_batch_size(model)

    def _choose_sections(self, model: LoadedModel) -> None:
        requested = self.plan.sections
        sections = sections_for(self._engine.features, requested, model.description)
        for feature in self._engine.features:
            if feature.name in requested.keys() - sections.keys():
                names = " and ".join(feature.fields) or feature.name
                self._notice(f"{model.source.name} doesn't take {names}: it was left out")
                self._builder.left_out.update(feature.fields)
        self.plan = replace(self.plan, sections=sections)

    def _choose_batch_size(self, model: LoadedModel) -> None:
        added = self.features.memory(model.description, model.dtype)
        size = choose_batch_size(model, self._passes, len(self.seeds), added)
        self.plan = replace(self.plan, batch_size=min(size, self.plan.batch_size))
        self._builder.estimate = expected_peak(model, self._passes, size, self._held, added)
        self._report(
            Estimated(
                estimate=self._builder.estimate,
                free=self._engine.device.memory().free,
                memory_mode=model.memory_mode,
            )
        )

    def _encode(self, model: LoadedModel) -> list[Embeddings]:
        """Encode the prompts of each pass."""
        self._cancellation.check()
        if not self._truncations_reported:
            truncations = find_truncations(model, self._passes[0].request)
            self._builder.truncations = truncations
            for truncation in truncations:
                self._report(Truncated(truncation=truncation))
            self._truncations_reported = True
        embeddings = [encode(model, each, self.features) for each in self._passes]
        for number, encoded in enumerate(embeddings):
            batch = self._batch(number, [0], encoded)
            for name in family_of(model.description).not_accepted(model, batch):
                self._notice(f"{model.source.name} doesn't take {name}: it was left out")
        return embeddings

    def _advance_batch(self, model: LoadedModel, embeddings: list[Embeddings]) -> None:
        """Finish a decoded picture, else decode those that have completed all passes, else denoise
        those that have completed most."""
        if self._finisher.has_pictures:
            self._finish_next(model)
            return
        unfinished = [index for index in range(len(self.seeds)) if index not in self._images]
        done = max(self._results.passes_done(index) for index in unfinished)
        furthest = [each for each in unfinished if self._results.passes_done(each) == done]
        indices = furthest[: self.plan.batch_size]
        if done == len(self._passes):
            with self._in_stage(Stage.DECODE):
                self._decode(model, indices)
            return
        if done == 0:
            self._cancellation.check_between_pictures()
        self._run_pass(model, done, indices, embeddings[done])

    def _run_pass(
        self, model: LoadedModel, number: int, indices: list[int], embeddings: Embeddings
    ) -> None:
        """Prepare and denoise some pictures in pass `number`."""
        batch = self._batch(number, indices, embeddings)
        kept = self._results
        ready = prepared(batch, number, indices, self.features, kept)
        if ready is None:
            with self._in_stage(Stage.PREPARE, number):
                self._cancellation.check()
                how = Preparation(
                    number=number,
                    indices=indices,
                    before=self._passes[number - 1].request if number else None,
                    slicing=self.plan.vae_slicing,
                    tile=self.plan.prepare_tile,
                    notice=self._notice,
                    cancellation=self._cancellation,
                )
                prepare(model, batch, self.features, kept, how)
            ready = prepared(batch, number, indices, self.features, kept)
            assert ready is not None
        self._attachments.add(self.features.attachments(ready))
        with self._in_stage(Stage.DENOISE, number):
            self._denoise(model, number, indices, ready)

    def _batch(self, number: int, indices: list[int], embeddings: Embeddings) -> Batch:
        return Batch(
            pass_=self._passes[number],
            seeds=tuple(self.seeds[index] for index in indices),
            variation_seeds=tuple(self._variation_seed(index) for index in indices),
            embeddings=embeddings,
            before=self._results.latest(indices),
        )

    def _denoise(self, model: LoadedModel, number: int, indices: list[int], batch: Batch) -> None:
        reporter = StepReporter(
            self._engine,
            model,
            self._place(number, indices),
            self._report,
            self._cancellation,
        )
        watch = self._engine.settings.previews
        denoised = denoise(model, batch, self.features, reporter, watch=watch)
        self._cancellation.check()
        self._steps[number] = reporter.steps
        if isinstance(denoised, list):
            if number + 1 < len(self._passes):
                raise UnsupportedModelError(
                    f"{model.source.name} gives finished pictures, which no other pass can go on "
                    "with",
                    "Leave out what makes further passes, or use another model",
                )
            self._keep_decoded(indices, denoised)
            return
        for index, latents in zip(indices, denoised.split(1), strict=True):
            self._results.add(index, batch.pass_, latents)

    def _variation_seed(self, index: int) -> int | None:
        return None if self._variation_seeds is None else self._variation_seeds[index]

    def _place(self, number: int, indices: list[int]) -> BatchPlace:
        steps = [self._steps.get(i, each.expected_steps) for i, each in enumerate(self._passes)]
        begun = {*indices, *self._results.begun(), *self._images}
        waiting = len(self.seeds) - len(begun)
        return batch_place(self._passes, steps, number, indices, waiting)

    def _decode(self, model: LoadedModel, indices: list[int]) -> None:
        self._cancellation.check()
        latents = self._results.latest(indices)
        assert latents is not None
        images = decode(
            model,
            latents,
            self._passes[-1].request,
            slicing=self.plan.vae_slicing,
            tile=self.plan.vae_tile,
            notice=self._notice,
        )
        self._keep_decoded(indices, images)

    # Events and the record

    def _keep_decoded(self, indices: list[int], images: list[Image.Image]) -> None:
        for index, image in zip(indices, self.features.after_decode(images), strict=True):
            self._finisher.add(index, image)
            self._results.drop(index)

    def _finish_next(self, model: LoadedModel | None) -> None:
        """Let the features finish a picture, and hand it on."""

        def make(index: int, pass_: Pass, place: PassPlace) -> Image.Image:
            assert model is not None
            reports = (self._report, self._cancellation, self._notice, self._in_stage)
            passes = ExtraPasses(self._engine, model, self.features, self.plan, *reports)
            seeds = (self.seeds[index], self._variation_seed(index))
            return passes.make(pass_, place, index, *seeds)

        index, image = self._finisher.finish_next(self.features, self.plan.resolved, make)
        if self._finisher.estimate is not None:
            expected = self._builder.estimate or 0
            self._builder.estimate = max(expected, self._finisher.estimate)
        self._images[index] = image
        if self._on_image is not None:
            self._on_image(index, image, self._record([index]).of_image(index))

    def _notice(self, message: str) -> None:
        if message not in self._noticed:
            self._noticed.add(message)
            self._builder.notices.append(message)
            self._report(Notice(message=message))

    @contextmanager
    def _in_stage(self, stage: Stage, number: int | None = None) -> Iterator[None]:
        """Report a stage, of pass `number` if it belongs to one, and measure its time."""
        self.stage = stage
        self.of_pass = None if number is None else pass_place(self._passes, number)
        self._report(StageStarted(stage=stage, of_pass=self.of_pass))
        with self._builder.timing(stage):
            yield

    def _record(
        self, indices: list[int], *, error: SdtuiError | None = None, complete: bool = True
    ) -> GenerationRecord:
        images = tuple(
            ImageRecord(
                index=index,
                seed=self.seeds[index],
                variation_seed=self._variation_seed(index),
                width=self._images[index].width,
                height=self._images[index].height,
            )
            for index in indices
        )
        return self._builder.record(
            images,
            self.attempts,
            self.plan,
            self.features,
            peak=self._engine.meter.peak(),
            total=self._engine.device.memory().total,
            error=error,
            complete=complete,
        )
