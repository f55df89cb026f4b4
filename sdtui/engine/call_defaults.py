"""What the call of a pipeline takes, and with which defaults."""

from __future__ import annotations

import inspect
from typing import Any


def call_defaults(pipeline: Any) -> dict[str, Any]:
    """Return the arguments of a pipeline's call and their defaults; None where there is none."""
    parameters = inspect.signature(type(pipeline).__call__).parameters
    return {
        name: None if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in parameters.items()
    }


def guidance_argument(defaults: dict[str, Any]) -> str:
    """Return the argument that is the guidance of a request.

    Qwen-Image guides by `true_cfg_scale`, and its `guidance_scale`, None by default, is for
    distilled models yet to come.
    """
    names = ("guidance_scale", "true_cfg_scale", "distilled_guidance_scale")
    return next((name for name in names if defaults.get(name) is not None), "guidance_scale")
