"""ResolvedRequest: what the stages work with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResolvedRequest:
    """A request's values for one model, none of them open. The retry ladder replaces it, and a
    feature's passes may have another one each; the record is derived from it at the end."""

    prompt: str
    negative_prompt: str
    sampler: str | None
    """The label to make the scheduler from; None = the model's own scheduler."""
    num_inference_steps: int
    guidance_scale: float
    width: int
    height: int
    """Pixels."""
    size_multiple: int = 8
    """Width and height are multiples of this."""
