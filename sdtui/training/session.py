"""What all parts of a training work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.enums import Policy
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from sdtui.requests.training.events import ReportTraining
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.control import TrainingControl
from sdtui.training.processes import Processes


@dataclass(frozen=True)
class TrainingSession:
    """A training whose model is loaded."""

    request: TrainingRequest
    engine: StableDiffusionEngine
    folder: Path
    """That of the training: states, latents and samples."""
    report: ReportTraining
    control: TrainingControl
    processes: Processes = field(default_factory=Processes)

    @property
    def model(self) -> LoadedModel:
        """The model that learns."""
        assert self.engine.loaded is not None
        return self.engine.loaded

    def picture_request(self, prompt: str, seed: int) -> GenerationRequest:
        """Return the request of a picture by the model as it is loaded."""
        model = self.model
        return GenerationRequest.parse(
            {
                **{"prompt": prompt, "model": self.request.model, "seed": seed},
                **{"dtype": model.dtype, "memory_mode": model.memory_mode},
                "policy": Policy.STRICT,
            }
        )
