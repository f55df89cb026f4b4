"""Running requests on an engine, in one attempt or down the retry ladder."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, OutOfMemoryError, SdtuiError
from sdtui.engine.memory.ladder import LadderStep, next_step
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.result import GenerationResult, OnImage
from sdtui.engine.run import Run
from sdtui.requests.events import Attempt, Report, report_nothing
from sdtui.requests.record import AttemptRecord
from sdtui.requests.request import GenerationRequest

_log = logging.getLogger(__name__)

_HINT = (
    "Ask for a smaller or single picture, close what else uses the memory, or take a smaller model"
)


def generate(
    engine: StableDiffusionEngine,
    request: GenerationRequest,
    *,
    report: Report = report_nothing,
    cancellation: Cancellation | None = None,
    on_image: OnImage | None = None,
) -> GenerationResult:
    """Run a request in one attempt.

    Raises OutOfMemoryError, BrokenPictureError, CancelledError, ImageError, InvalidRequestError and
    the errors of `StableDiffusionEngine.load`.
    """
    run = Run(engine, request, report, cancellation or Cancellation(), on_image)
    failure = run.try_advance()
    if failure is None:
        return run.result()
    engine.device.release()
    raise OutOfMemoryError(
        f"memory ran out in the {run.stages.current} stage: {failure}",
        "Generate with the retry policy, or ask for less",
        stage=run.stages.current,
    )


class RobustStableDiffusionGenerator:
    """Generates with an engine. After out-of-memory it retries with a plan that needs less memory;
    every other error ends the run."""

    def __init__(self, engine: StableDiffusionEngine) -> None:
        self.engine = engine

    def generate_with_fallback(
        self,
        request: GenerationRequest,
        *,
        report: Report = report_nothing,
        cancellation: Cancellation | None = None,
        on_image: OnImage | None = None,
    ) -> GenerationResult:
        """Run a request under its retry policy.

        Never raises an SdtuiError: the result of a failed or cancelled run has its `error` set and
        a record of every attempt.
        """
        run = Run(self.engine, request, report, cancellation or Cancellation(), on_image)
        step: LadderStep | None = None
        try:
            while True:
                before = time.perf_counter()
                failure = run.try_advance()
                run.attempts.append(_attempt(run, step, failure, before))
                if failure is None:
                    return run.result()
                _log.warning("memory ran out in the %s stage: %s", run.stages.current, failure)
                self.engine.device.release()
                step = next_step(
                    request.execution.policy,
                    replace(run.plan, is_later_pass=run.is_in_later_pass),
                    run.stages.current,
                    len(run.attempts),
                    run.features.rungs(),
                )
                if step is None:
                    raise OutOfMemoryError(_all_failed(run), _HINT, stage=run.stages.current)
                report(
                    Attempt(
                        number=len(run.attempts) + 1,
                        stage=run.stages.current,
                        of_pass=run.stages.of_pass,
                        rung=step.rung.name,
                        changes=step.changes,
                        lossless=step.rung.lossless,
                        error=failure,
                    )
                )
                run.plan = step.plan
        except SdtuiError as error:
            if not isinstance(error, CancelledError):
                _log.info("the run failed in the %s stage", run.stages.current, exc_info=error)
            failed = _without_frames(error)
            if not isinstance(failed, OutOfMemoryError):
                run.attempts.append(_attempt(run, step, str(failed), before))
        return run.result(failed)


def _attempt(
    run: Run, step: LadderStep | None, failure: str | None, before: float
) -> AttemptRecord:
    return AttemptRecord(
        number=len(run.attempts) + 1,
        rung=step.rung.name if step else None,
        changes=step.changes if step else "",
        lossless=step.rung.lossless if step else True,
        stage=run.stages.current if failure else None,
        of_pass=run.stages.of_pass if failure else None,
        error=failure,
        seconds=time.perf_counter() - before,
    )


def _all_failed(run: Run) -> str:
    tried = [attempt.changes for attempt in run.attempts if attempt.changes]
    also = f", also after: {'; '.join(tried)}" if tried else ""
    return f"memory ran out in the {run.stages.current} stage{also}"


def _without_frames(error: SdtuiError) -> SdtuiError:
    """Remove the tracebacks of an error and its causes: their frames keep tensors alive."""
    seen: set[int] = set()
    causes: list[BaseException | None] = [error]
    while causes:
        cause = causes.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            cause.__traceback__ = None
            causes += [cause.__cause__, cause.__context__]
    return error
