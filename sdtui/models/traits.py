"""Traits: what is known of a pipeline of diffusers before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TRUE_GUIDANCE_OFF = 1.0
"""Up to this scale there is no true guidance."""


class Task(StrEnum):
    """What a pipeline makes besides pictures from text alone."""

    IMAGE = "image"
    """Pictures that start from an init image."""
    INPAINT = "inpaint"
    """Pictures that are painted inside a mask."""
    EDIT = "edit"
    """Pictures that have others as their references; there is no strength."""


@dataclass(frozen=True)
class Traits:
    """The traits of a pipeline, or of a model if its configs change them."""

    name: str = ""
    """The family, such as "Flux.1"; empty if the pipeline isn't known."""
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    """Native steps and guidance; None = the default of the pipeline's call."""
    size: tuple[int, int] | None = None
    """Native width and height in pixels; None if the denoiser's config says them."""
    text_length: int | None = None
    """The length of the prompt in tokens that the call is given; None if it takes none."""
    text_marks: int | None = None
    """Of that length, the tokens that aren't the prompt's: special ones, and those of a template
    before it. None if they aren't known."""
    guidance: str | None = "guidance_scale"
    """The argument that is the guidance scale; None if guidance has no effect."""
    guidance_off: float = 1.0
    """Up to this scale there is no classifier-free guidance. It is 0 where the scaled difference is
    added to the conditional prediction."""
    embedded: bool = False
    """True if guidance is an embedding (distilled guidance), which costs nothing."""
    true_guidance: str | None = None
    """The argument that is the scale of classifier-free guidance besides `guidance`; None if there
    is none."""
    in_one_pass: bool = True
    """True if guidance doubles the batch of a pass; False if it takes a second pass."""
    negative: bool = True
    """True if the negative prompt has an effect where there is classifier-free guidance."""
    blank_negative: str = ""
    """What stands for an empty negative prompt: some pipelines guide only if they get one."""
    patch: int = 2
    """The number of latents that sides must be multiples of."""
    maps: float = 20
    """A pass of the transformer needs about this many values for each value of its hidden states,
    as tests/benchmarks/calibrate_families.py measures them."""
    tasks: Mapping[Task, str] = field(default_factory=dict)
    """The class that does a task with the same components."""
    several_references: bool = False
    """True if an edit may have more than one reference."""
    needs_picture: bool = False
    """True if there is no picture from text alone."""

    @property
    def edits(self) -> bool:
        """True if an init image is a reference: there is no image-to-image with a strength."""
        return Task.EDIT in self.tasks and Task.IMAGE not in self.tasks

    @property
    def text_limit(self) -> int | None:
        """The number of tokens that a prompt may have; None if it isn't known."""
        if self.text_length is None or self.text_marks is None:
            return None
        return self.text_length - self.text_marks

    def guides(self, scale: float, true_scale: float | None = None) -> bool:
        """Return whether there is classifier-free guidance at a scale, and with this scale of true
        guidance where the model takes it."""
        if self.true_guidance is not None:
            return true_scale is not None and true_scale > TRUE_GUIDANCE_OFF
        return self.guidance is not None and not self.embedded and scale > self.guidance_off
