"""ExtraPasses: passes for a picture that is decoded already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Plan
from sdtui.engine.passes import Batch, Pass, PassResults
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.run_stages import RunStages
from sdtui.engine.stages.decode import decode
from sdtui.engine.stages.denoise import denoise
from sdtui.engine.stages.prepare import Preparation, prepare, prepared
from sdtui.engine.step_reporter import BatchPlace, StepReporter
from sdtui.requests.events import Report
from sdtui.requests.record import PassPlace, Stage


@dataclass(frozen=True)
class ExtraPasses:
    """Runs passes with the model and the features of a run."""

    engine: StableDiffusionEngine
    model: LoadedModel
    features: ActiveFeatures
    plan: Plan
    report: Report
    cancellation: Cancellation
    notice: Callable[[str], None]
    stages: RunStages

    def make(
        self, pass_: Pass, place: PassPlace, index: int, seed: int, variation_seed: int | None
    ) -> Image.Image:
        """Return the picture of a pass. `place` is that among the extra passes of the picture,
        `index` that of the picture in its run. Raises the errors of the stages."""
        (embeddings,) = self.stages.encode(self.model, self.features, [(pass_, 1)])
        batch = Batch(pass_, (seed,), embeddings, (variation_seed,))
        kept = PassResults()
        with self.stages.enter_with(Stage.PREPARE, self.model, self.features):
            how = Preparation(
                number=0,
                indices=[index],
                before=None,
                slicing=self.plan.vae_slicing,
                tile=self.plan.prepare_tile,
                notice=self.notice,
                cancellation=self.cancellation,
            )
            prepare(self.model, batch, self.features, kept, how)
        ready = prepared(batch, 0, [index], self.features, kept)
        assert ready is not None
        with self.stages.enter_with(Stage.DENOISE, self.model, self.features):
            reporter = self._reporter(pass_, place, index)
            made = denoise(self.model, ready, self.features, reporter, watch=False)
        self.cancellation.check()
        if isinstance(made, list):
            return made[0]
        with self.stages.enter_with(Stage.DECODE, self.model, self.features):
            (image,) = decode(
                self.model,
                made,
                pass_.request,
                slicing=self.plan.vae_slicing,
                tile=self.plan.vae_tile,
                notice=self.notice,
            )
        return image

    def _reporter(self, pass_: Pass, place: PassPlace, index: int) -> StepReporter:
        steps = pass_.expected_steps
        later = steps * (place.count - place.number)
        batch = BatchPlace(
            first_image=index,
            size=1,
            steps_before=steps * (place.number - 1),
            steps_after=later,
            work_after=later,
            batches_after=0,
            work=steps * place.count,
            of_pass=place,
        )
        return StepReporter(self.engine, self.model, batch, self.report, self.cancellation)
