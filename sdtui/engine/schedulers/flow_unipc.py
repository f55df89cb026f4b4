"""UniPC for flow models."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy

_UniPC: Any = diffusers.UniPCMultistepScheduler


class FlowUniPCScheduler(_UniPC):  # type: ignore[misc]  # diffusers has no types
    """Takes what pipelines pass to the scheduler of flow models: noise levels as a list too, and a
    shift that depends on the size of the picture also where the config has another one."""

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Any = None,
        mu: float | None = None,
    ) -> None:
        """Set the timesteps. Pipelines look up the names of the parameters."""
        levels = None if sigmas is None else numpy.asarray(sigmas, dtype=numpy.float32)
        shift = mu if self.config.use_dynamic_shifting else None
        super().set_timesteps(num_inference_steps, device, sigmas=levels, mu=shift)
