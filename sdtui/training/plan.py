"""What a training does where the request leaves it open, so that it fits the memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sdtui.requests.training.optimization import Optimizer

_STEPS_A_PICTURE, _FEWEST_STEPS, _MOST_STEPS = 100, 500, 2000
_TIMES, _FEWEST_BETWEEN = 8, 10
_ROUND = (1, 2, 2.5, 5, 10)
_BYTES_A_VALUE = {
    # Of each trained value: itself and its gradient (8), and what the optimizer keeps of it.
    Optimizer.ADAMW: 16,
    Optimizer.ADAMW_8BIT: 10,
    Optimizer.PRODIGY: 24,
    Optimizer.ADAFACTOR: 9,
}


@dataclass(frozen=True)
class MemoryPlan:
    """How much is held in memory at once."""

    batch_size: int
    """Pictures of a batch that one process computes."""
    optimizer: Optimizer
    gradient_checkpointing: bool
    pieces: int = 1
    """Parts of a batch that are computed one after the other."""
    estimate: int = 0
    """Peak in bytes."""

    def with_less(self) -> MemoryPlan | None:
        """Return what to do when memory runs out: compute parts of the model twice, then a batch in
        more pieces; None if nothing is left."""
        if not self.gradient_checkpointing:
            return replace(self, gradient_checkpointing=True)
        return self.in_more_pieces()

    def in_more_pieces(self) -> MemoryPlan | None:
        """Return the plan with a batch in more pieces, None if each has one picture."""
        if self.pieces < self.batch_size:
            return replace(self, pieces=min(self.batch_size, self.pieces * 2))
        return None

    def changes_from(self, before: MemoryPlan) -> str:
        """Return what is done otherwise than before, for people."""
        if self.gradient_checkpointing and not before.gradient_checkpointing:
            return "gradient checkpointing"
        return f"batches in {self.pieces} pieces"


@dataclass(frozen=True)
class MemoryNeeds:
    """What a training needs besides the model, in bytes."""

    trained: int
    """Number of values that are trained."""
    activations: int
    """Of one picture, which the gradients are computed from."""
    checkpointed: int
    """The same with gradient checkpointing."""

    def peak(self, plan: MemoryPlan) -> int:
        """Return the estimated peak of a plan."""
        a_picture = self.checkpointed if plan.gradient_checkpointing else self.activations
        at_once = -(-plan.batch_size // plan.pieces)
        return self.trained * _BYTES_A_VALUE[plan.optimizer] + at_once * a_picture


def steps_between(steps: int) -> int:
    """Return the usual number of steps between two checkpoints or samples of a training with so
    many steps: a round number, so that there are about eight of them, but at least 10."""
    wanted = max(_FEWEST_BETWEEN, steps / _TIMES)
    scale = 10 ** math.floor(math.log10(wanted))
    return min(
        (int(each * scale) for each in _ROUND), key=lambda each: abs(math.log(each / wanted))
    )


def steps_for(pictures: int) -> int:
    """Return the usual number of steps for a number of pictures."""
    return min(_MOST_STEPS, max(_FEWEST_STEPS, pictures * _STEPS_A_PICTURE))
