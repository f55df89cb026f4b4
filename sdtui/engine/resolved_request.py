"""ResolvedRequest: the input of the stages."""

from __future__ import annotations

from dataclasses import dataclass

from sdtui.requests.sections.noise import Noise


@dataclass(frozen=True)
class ResolvedRequest:
    """A request's values for one model, all resolved. The retry ladder replaces it, and each pass
    of a feature may have its own; the record is derived from it at the end."""

    prompt: str
    negative_prompt: str
    sampler: str | None
    """The label to create the scheduler from; None = the model's own scheduler."""
    num_inference_steps: int
    guidance_scale: float
    width: int
    height: int
    """Pixels."""
    size_multiple: int = 8
    """Width and height are multiples of this."""
    noise: Noise = Noise()  # noqa: RUF009  # frozen
    """How noise is drawn. The variation seed is that of the first picture, or None."""
    true_cfg_scale: float | None = None
    """None if the model has no guidance besides `guidance_scale`."""
    timestep_spacing: str | None = None
    """Set if LoRAs need another than that of the model's scheduler."""

    @property
    def pixels(self) -> int:
        """The number of pixels of a picture."""
        return self.width * self.height
