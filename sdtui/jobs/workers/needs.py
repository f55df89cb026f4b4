"""What the jobs of several workers need: memory on a GPU, and files."""

from __future__ import annotations

import logging

from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import SdtuiError
from sdtui.core.settings import Settings
from sdtui.jobs.job import Job
from sdtui.jobs.model_api import Models
from sdtui.jobs.workers.files import Files, files_of, model_file
from sdtui.models import native_estimate
from sdtui.requests.request import GenerationRequest

_log = logging.getLogger(__name__)


class Needs:
    """Needs nothing: all workers are equal."""

    def prepare(self, job: Job) -> Files:
        """Return the files that a job's machine must have. Reads files, so that `memory` doesn't
        later."""
        del job
        return frozenset()

    def model(self, name: str) -> Files:
        """Return the file of a model. Reads folders."""
        del name
        return frozenset()

    def memory(self, request: GenerationRequest) -> int:
        """Return the bytes for a picture with all weights on the GPU; 0 if unknown."""
        del request
        return 0


NO_NEEDS = Needs()


class MemoryNeeds(Needs):
    """Estimates the memory of models, each once: for GPUs of this machine. Thread-safe."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._known: dict[tuple[str, str, str], int] = {}

    def prepare(self, job: Job) -> Files:
        self.memory(job.request)
        return frozenset()

    def memory(self, request: GenerationRequest) -> int:
        execution = request.execution
        key = (request.model, execution.dtype, execution.quantize)
        if key not in self._known:
            self._known[key] = self._estimated(request)
        return self._known[key]

    def _estimated(self, request: GenerationRequest) -> int:
        dtype = request.execution.dtype
        try:
            description = self._models.describe(self._models.find(request.model))
        except SdtuiError as error:
            _log.info("the memory of %s is unknown: %s", request.model, error)
            return 0
        if description is None:
            return 0
        used = DType.BFLOAT16 if dtype is DType.AUTO else dtype
        estimate = native_estimate(description, used, quantize=request.execution.quantize)
        return estimate.peaks[MemoryMode.FULL]


class MachineNeeds(MemoryNeeds):
    """For several machines, which may have different files. Thread-safe."""

    def __init__(self, models: Models, settings: Settings) -> None:
        super().__init__(models)
        self._settings = settings

    def prepare(self, job: Job) -> Files:
        super().prepare(job)
        return files_of(job.request, job.prompts, self._settings)

    def model(self, name: str) -> Files:
        return model_file(name, self._settings)
