"""RunStages: the stages of a run, as they are entered one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from sdtui.core.cancellation import Cancellation
from sdtui.engine.embeddings import Embeddings
from sdtui.engine.families import family_of
from sdtui.engine.families.seams import replaced
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.interruptible import (
    interruptible,
    interruptible_loading,
    stop_if_raised_by,
)
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.record_builder import RecordBuilder
from sdtui.engine.stages.encode import encode, encoding_of
from sdtui.requests.events import Loading, Report, StageStarted
from sdtui.requests.record import PassPlace, Stage


class RunStages:
    """Enters stages: each is reported, timed, and ends when the run is cancelled. Of a model that
    is loaded in parts, it has those in memory that a stage needs."""

    def __init__(
        self,
        engine: StableDiffusionEngine,
        builder: RecordBuilder,
        report: Report,
        cancellation: Cancellation,
    ) -> None:
        self._engine = engine
        self._builder = builder
        self._report = report
        self._cancellation = cancellation
        self.current = Stage.LOAD
        """The stage that was entered last."""
        self.of_pass: PassPlace | None = None
        """The pass that it belongs to."""

    @contextmanager
    def enter(self, stage: Stage, of_pass: PassPlace | None = None) -> Iterator[None]:
        """Enter a stage. Raises CancelledError before the next block of a component is computed,
        or the next tensor loaded."""
        self.current, self.of_pass = stage, of_pass
        self._report(StageStarted(stage=stage, of_pass=of_pass))
        check = self._cancellation.check
        if stage is Stage.LOAD:  # nothing may hold a model that makes place for another
            with self._builder.timing(stage), interruptible_loading(check):
                yield
            return
        model = self._engine.loaded
        openvino = None if model is None else model.speedups.openvino
        with self._builder.timing(stage), interruptible(model, check), ExitStack() as stack:
            if openvino is not None:
                openvino.begin(partial(stop_if_raised_by, check))
                for module, replacement in openvino.replacements:
                    stack.enter_context(replaced(module, forward=replacement))
            yield

    @contextmanager
    def enter_with(
        self,
        stage: Stage,
        model: LoadedModel,
        features: ActiveFeatures,
        of_pass: PassPlace | None = None,
    ) -> Iterator[None]:
        """Enter a stage with the parts of a model in memory that it needs, changed by the features
        that apply to them. Of a model that is there as a whole, the run has applied them."""
        if model.parts is None:
            with self.enter(stage, of_pass):
                yield
            return
        self._need_parts(model, stage, of_pass)
        with self.enter(stage, of_pass), features.applied(model, stage):
            yield

    def encode(
        self,
        model: LoadedModel,
        features: ActiveFeatures,
        wanted: Sequence[tuple[Pass, int]],
        of_pass: PassPlace | None = None,
    ) -> list[Embeddings]:
        """Return the embeddings of passes, each with a number of pictures. Text encoders are only
        loaded for those that aren't known."""
        encodings = [encoding_of(model, pass_, features, count) for pass_, count in wanted]
        if all(each in model.embeddings for each in encodings):
            context = self.enter(Stage.ENCODE, of_pass)
        else:
            context = self.enter_with(Stage.ENCODE, model, features, of_pass)
        made = []
        with context:
            for encoding, (pass_, _) in zip(encodings, wanted, strict=True):
                self._cancellation.check()
                made.append(encode(model, encoding, pass_, features))
        return made

    def _need_parts(self, model: LoadedModel, stage: Stage, of_pass: PassPlace | None) -> None:
        """Load what a stage needs in a load stage: where memory runs out then, other rungs help
        than in the stage itself."""
        assert model.parts is not None

        def on_part(name: str, number: int, total: int) -> None:
            self._cancellation.check()
            self._report(
                Loading(
                    model=model.source.name,
                    component=name,
                    number=number,
                    total=total,
                    is_part=True,
                )
            )

        names = family_of(model.description).components(model.description, stage)
        with ExitStack() as stack:
            if model.parts.lacks(names):
                stack.enter_context(self.enter(Stage.LOAD, of_pass))
            model.need_parts(names, on_part)
