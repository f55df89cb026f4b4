"""Run: one request, carried out in passes and stages.

A run can be advanced again after it failed: finished pictures and the latents of each pass are
kept, so running out of memory in the decoder or in a later pass never repeats a denoising.
"""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from dataclasses import replace

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import SdtuiError
from sdtui.engine.attachments import AttachmentReporter
from sdtui.engine.extra_pass import ExtraPasses
from sdtui.engine.features.active import (
    ActiveFeatures,
    fitting_sections,
    open_sections,
    sections_for,
)
from sdtui.engine.finisher import Finisher
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.batching import choose_batch_size, expected_peak, held_before
from sdtui.engine.memory.ladder import Plan
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.engine.pass_runner import PassRunner, RunContext
from sdtui.engine.passes import Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.record_builder import ModelFacts, RecordBuilder
from sdtui.engine.resolve import check_begins, check_same_latents, resolve
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.result import GenerationResult, OnImage
from sdtui.engine.run_order import RunOrder
from sdtui.engine.run_stages import RunStages
from sdtui.engine.stages.encode import find_truncations
from sdtui.models import ModelDescription, begun_smaller, check_values, run_notices
from sdtui.models.ignored import left_out_text
from sdtui.models.weights import has_quantizable
from sdtui.requests.events import Estimated, Notice, Report, Truncated
from sdtui.requests.record import (
    AttemptRecord,
    GenerationRecord,
    ImageRecord,
    PassPlace,
    Stage,
)
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest


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
        self.plan = Plan(
            batch_size=request.num_images_per_prompt,
            memory_mode=request.execution.memory_mode,
            modes=engine.modes,
            has_own_memory=engine.device.has_own_memory,
            runtime=request.execution.runtime,
            quantize=engine.settings.quantize
            if request.execution.quantize is None
            else request.execution.quantize,
        )
        self.attempts: list[AttemptRecord] = []
        """Attempts that ended, for the record."""
        self._builder = RecordBuilder(request, self.seeds, engine.device.torch.type)
        self.stages = RunStages(engine, self._builder, report, cancellation)
        self._engine = engine
        self._report = report
        self._cancellation = cancellation
        self._on_image = on_image
        self._requested: frozenset[str] | None = None
        """The features that the request asks for; None before they are known."""
        self._context = RunContext(
            engine=engine,
            report=report,
            cancellation=cancellation,
            seeds=self.seeds,
            variation_seeds=self._seeded.variation_seeds(),
            notice=self._notice,
            stages=self.stages,
            attachments=AttachmentReporter(report),
        )
        self._results = self._context.results
        self._finisher = Finisher(engine, report, cancellation, self._notice, self.stages.enter)
        self._order = RunOrder(
            len(self.seeds), request.model, self._results, self._finisher, cancellation
        )
        self._noticed: set[str] = set()
        self._truncations_reported = False
        engine.meter.start()
        if engine.threads:
            engine.threads.begin()
        self._held = held_before(engine.device, engine.loaded)

    @property
    def is_in_later_pass(self) -> bool:
        """True if the stage works with what an earlier pass has made."""
        if self.stages.current is Stage.DECODE:
            return len(self._order.passes) > 1
        of_pass = self.stages.of_pass
        return of_pass is not None and of_pass.number > 1

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
        """Do all remaining work. Raises the errors of the stages; `stages.current` is the one that
        failed."""
        if not self._open_sections().needs_model():
            self.plan = replace(self.plan, modes=())
            self._finish_without_model()
            return
        if self.plan.resolved is not None:
            self._set_passes(self.plan.resolved)
        while not self._order.is_done:
            self._advance_with(self._order.next_model)

    def _advance_with(self, name: str) -> None:
        """Do what the next passes of a model have to do, and decode after the last."""
        with ExitStack() as stack:
            with self.stages.enter(Stage.LOAD):
                model, features = self._load(name)
                used = {feature.name for feature, _ in features.uses}
                for feature in self._engine.features:
                    if feature.name not in used:
                        feature.reset(model)
                stack.callback(model.need_parts, ())
                applied_in = None if model.parts is None else Stage.ENCODE
                stack.enter_context(features.applied(model, applied_in))
                for notice in features.notices(model):
                    self._notice(notice)
                self._report_truncations(model)
            runner = PassRunner(self._context, model, features, self._order.passes, self.plan)
            runner.encode(self._order.passes_of(name))
            while not self._order.is_done and self._order.next_model == name:
                self._advance_batch(runner)

    def result(self, error: SdtuiError | None = None) -> GenerationResult:
        """Return the finished pictures, in order, and the record."""
        indices = sorted(self._order.images)
        return GenerationResult(
            [self._order.images[index] for index in indices],
            self._record(indices, error=error, complete=self._order.is_done),
            error,
        )

    # Stages

    def _open_sections(self) -> ActiveFeatures:
        """Open the sections of the features in the first attempt; return the features."""
        if self._requested is None:
            self._cancellation.check()
            sections = open_sections(self._engine.features, self._seeded)
            self.plan = replace(self.plan, sections=sections)
            self._requested = frozenset(sections)
            given = self.features.given_image()
            if given is not None:
                for index in range(len(self.seeds)):
                    self._finisher.add(index, given)
        return self.features

    def _begin_smaller(self, description: ModelDescription) -> None:
        """Take the request with hires fix where the model draws a picture of its size better so.
        The record has the request as it was, and what was done in its settings."""
        smaller = begun_smaller(description, self._seeded)
        if smaller is not self._seeded:
            self._seeded, self._requested = smaller, None
            self._open_sections()

    def _finish_without_model(self) -> None:
        """Finish the given picture, which needs no model of the run."""
        if self.attempts:
            self._engine.unload()  # one that is idle, since memory ran out
        while self._finisher.has_pictures:
            self._finish_next()

    def _load(self, name: str) -> tuple[LoadedModel, ActiveFeatures]:
        """Load the request's model or that of a later pass; return it with the features that it
        can have."""
        self._cancellation.check()
        is_own = name == self.request.model
        if is_own and self.plan.resolved is None:
            source, description = self._engine.find(name, self._report, self._cancellation)
            check_begins(source.name, description)
            check_values(description, self.request)
            self.plan = replace(self.plan, can_quantize=has_quantizable(description))
            self._begin_smaller(description)
            for notice in run_notices(source.name, description, self.request):
                self._notice(notice)
        # A reference would keep it in memory while another one is loaded.
        before = weakref.ref(self._engine.loaded) if self._engine.loaded else None
        model = self._engine.load(
            name,
            self.request.execution.dtype,
            self.plan.memory_mode,
            self.request.execution.speed,
            self.plan.quantize,
            self.plan.runtime,
            report=self._report,
            cancellation=self._cancellation,
            features=self.features if is_own else self._features_of(name),
        )
        if before is None or model is not before():
            self._builder.add_load_timings(model, is_own=is_own)
            for notice in model.notices:
                self._notice(notice)
        for notice in model.speedups.notices:
            self._notice(notice)
        if not is_own:
            self._builder.other_models[name] = model.record
            return model, self._features_of(name)
        self._builder.model = ModelFacts.of(model)
        self._resolve(model)
        return model, self.features

    def _features_of(self, name: str) -> ActiveFeatures:
        """Return the features that another model can have, with those sections that the request
        asks for."""
        _, description = self._engine.find(name, self._report, self._cancellation)
        requested = {
            each: section
            for each, section in self.plan.sections.items()
            if each in (self._requested or ())
        }
        sections, reasons = fitting_sections(self._engine.features, requested, description)
        for reason in reasons:
            self._notice(f"left out for {name}: {reason}")
        return ActiveFeatures.of(self._engine.features, sections)

    def _resolve(self, model: LoadedModel) -> None:
        """Resolve the plan in the first attempt, and set its passes in every one."""
        first = self.plan.resolved is None
        if first:
            self._choose_sections(model)
        resolved = self.plan.resolved or resolve(self._seeded, model, self.features)
        self.plan = replace(self.plan, resolved=resolved, memory_mode=model.memory_mode)
        if model.speedups.openvino is not None:
            self.plan = replace(self.plan, runtime=model.runtime)
        self._set_passes(resolved)
        if first:
            for other in dict.fromkeys(each.model for each in self._order.passes if each.model):
                source, description = self._engine.find(other, self._report, self._cancellation)
                check_same_latents(model, source.name, description)
            self._choose_batch_size(model)

    def _set_passes(self, resolved: ResolvedRequest) -> None:
        self._order.passes = self.features.passes(Pass(resolved))
        last = self._order.passes[-1].request
        self.plan = replace(self.plan, finished_side=max(last.width, last.height))
        self._results.keep_only(self._order.passes)
        self._context.steps.clear()

    def _choose_sections(self, model: LoadedModel) -> None:
        requested = self.plan.sections
        sections = sections_for(self._engine.features, requested, model.description)
        for feature in self._engine.features:
            if feature.name in requested.keys() - sections.keys():
                for name in feature.fields:
                    if name not in REQUEST_FIELDS:  # the notices about others precede the load
                        self._notice(left_out_text(model.source.name, name))
                self._builder.left_out.update(feature.fields)
        self.plan = replace(self.plan, sections=sections)

    def _choose_batch_size(self, model: LoadedModel) -> None:
        added = self.features.memory(model.description, model.dtype) + model.speedups.copies
        size = choose_batch_size(model, self._order.passes, len(self.seeds), added)
        self.plan = replace(self.plan, batch_size=min(size, self.plan.batch_size))
        self._builder.estimate = expected_peak(model, self._order.passes, size, self._held, added)
        self._report(
            Estimated(
                estimate=self._builder.estimate,
                free=self._engine.device.memory().free,
                memory_mode=model.memory_mode,
            )
        )

    def _report_truncations(self, model: LoadedModel) -> None:
        if not self._truncations_reported:
            truncations = find_truncations(model, self._order.passes[0].request)
            self._builder.truncations = truncations
            for truncation in truncations:
                self._report(Truncated(truncation=truncation))
            self._truncations_reported = True

    def _advance_batch(self, runner: PassRunner) -> None:
        """Finish a decoded picture, else decode or denoise the next batch. In parts, all pictures
        complete what some parts are needed for, before others are loaded."""
        in_parts, order = runner.model.parts is not None, self._order
        is_early = in_parts and not order.are_decoded and runner.features.finish_with_model()
        if self._finisher.has_pictures and not is_early:
            self._finish_next(runner)
            return
        done, batches = order.next_batches(
            order.next_model, self.plan.batch_size, together=in_parts
        )
        indices = batches[0]
        if done == len(order.passes):
            self._keep_decoded(indices, runner.decode(indices))
            return
        if done == 0:
            self._cancellation.check_between_pictures()
        if in_parts:
            for each in batches:
                runner.prepare(done, each)
        images = runner.advance(done, indices, order.images)
        if images is not None:
            self._keep_decoded(indices, images)

    # Events and the record

    def _keep_decoded(self, indices: list[int], images: list[Image.Image]) -> None:
        for index, image in zip(indices, self.features.after_decode(images), strict=True):
            self._finisher.add(index, image)
            self._results.drop(index)

    def _finish_next(self, runner: PassRunner | None = None) -> None:
        """Let the features finish a picture, and hand it on."""

        def make(index: int, pass_: Pass, place: PassPlace) -> Image.Image:
            assert runner is not None
            reports = (self._report, self._cancellation, self._notice, self.stages)
            model, features = runner.model, runner.features
            passes = ExtraPasses(self._engine, model, features, self.plan, *reports)
            seeds = (self.seeds[index], self._context.variation_seed(index))
            return passes.make(pass_, place, index, *seeds)

        index, image = self._finisher.finish_next(self.features, self.plan.resolved, make)
        if self._finisher.estimate is not None:
            expected = self._builder.estimate or 0
            self._builder.estimate = max(expected, self._finisher.estimate)
        self._order.images[index] = image
        if self._on_image is not None:
            self._on_image(index, image, self._record([index]).of_image(index))

    def _notice(self, message: str) -> None:
        if message not in self._noticed:
            self._noticed.add(message)
            self._builder.notices.append(message)
            self._report(Notice(message=message))

    def _record(
        self, indices: list[int], *, error: SdtuiError | None = None, complete: bool = True
    ) -> GenerationRecord:
        images = tuple(
            ImageRecord(
                index=index,
                seed=self.seeds[index],
                variation_seed=self._context.variation_seed(index),
                width=self._order.images[index].width,
                height=self._order.images[index].height,
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
