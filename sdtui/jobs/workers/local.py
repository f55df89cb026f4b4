"""The worker in this process."""

from __future__ import annotations

from sdtui.core.cancellation import Cancellation
from sdtui.core.settings import Settings
from sdtui.jobs.generator import Generator, MakeGenerator
from sdtui.jobs.preload import PreloadTask
from sdtui.jobs.workers.run import JobResult, run_assignment
from sdtui.jobs.workers.worker import Assignment, Save
from sdtui.requests.events import EngineStarting, Report


class LocalWorker:
    """Makes pictures on the calling thread. Implements the protocol `Worker`."""

    def __init__(self, settings: Settings, make_generator: MakeGenerator) -> None:
        self._settings = settings
        self._make_generator = make_generator
        self._generator: Generator | None = None

    def start(self, report: Report) -> None:
        self._started(report)

    def _started(self, report: Report) -> Generator:
        if self._generator is None:
            report(EngineStarting())
            self._generator = self._make_generator(self._settings)
        return self._generator

    def run(
        self, assignment: Assignment, report: Report, save: Save, cancellation: Cancellation
    ) -> JobResult:
        return run_assignment(assignment, self._started(report), report, save, cancellation)

    def load(self, task: PreloadTask, report: Report) -> None:
        assert task.model is not None
        execution = task.execution
        self._started(report).engine.load(
            task.model,
            execution.dtype,
            execution.memory_mode,
            execution.speed,
            execution.quantize,
            execution.runtime,
            report=report,
            cancellation=task.cancellation,
        )

    def unload(self) -> None:
        if self._generator is not None:
            self._generator.engine.unload()

    def device_works(self) -> bool:
        return self._generator is None or self._generator.engine.device_works()

    def close(self) -> None:
        if self._generator is not None:
            self._generator.engine.cleanup()
