"""Requests for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdtui.requests.request import GenerationRequest


def make_request(model: Path, **values: Any) -> GenerationRequest:
    """A small, reproducible request; a value of None leaves the field open."""
    return GenerationRequest.parse(
        {
            "prompt": "a red cat",
            "model": str(model),
            "dtype": "float32",
            "num_inference_steps": 2,
            "seed": 7,
            "width": 64,
            "height": 64,
            **values,
        }
    )
