"""How much memory the models of requests need on a GPU."""

from __future__ import annotations

import logging

from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import SdtuiError
from sdtui.jobs.model_api import Models
from sdtui.models import native_estimate
from sdtui.requests.request import GenerationRequest

_log = logging.getLogger(__name__)


class ModelNeeds:
    """Estimates the memory of models, each once. Thread-safe."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._known: dict[tuple[str, str, str], int] = {}

    def of(self, request: GenerationRequest) -> int:
        """Return the bytes for a picture with all weights on the GPU; 0 if unknown. Reads the
        model's files the first time."""
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
