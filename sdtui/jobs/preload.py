"""A model that is loaded before a job needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.requests.sections.execution import Execution

if TYPE_CHECKING:
    from sdtui.jobs.workers.files import Files


@dataclass(frozen=True)
class PreloadTask:
    """A model to load before a job needs it. The last event with its id is its outcome:
    `model_ready`, `unloaded`, `superseded`, `failed` or `cancelled`."""

    id: str
    model: str | None
    """None = unload the loaded model."""
    execution: Execution = field(default_factory=Execution)
    """That of the job which the model is loaded for."""
    cancellation: Cancellation = field(default_factory=Cancellation)
    workers: tuple[str, ...] = ()
    """Those that unload; none = all."""
    files: Files = frozenset()
    """What its machine must have."""

    def is_same_target(self, other: PreloadTask) -> bool:
        """True if both load the same model with the same options, and this one isn't cancelled."""
        own = (self.model, self.execution, self.workers)
        theirs = (other.model, other.execution, other.workers)
        return own == theirs and not self.cancellation.is_requested
