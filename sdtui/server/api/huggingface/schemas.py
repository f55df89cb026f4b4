"""The body of a request. Source: the tasks text-to-image and image-to-image of Hugging Face's
inference API, as huggingface_hub 2.4 sends them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sdtui.history.importers import label_of_sampler
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.server.ignored_fields import IgnoredFields

_PICTURE = re.compile(r"data:|iVBORw0KGgo|/9j/|UklGR|R0lGOD|Qk[0-9A-Za-z+/]{60}")
"""How a picture begins: as a data URL, or PNG, JPEG, WebP, GIF or BMP in base64."""
_IGNORED = IgnoredFields(harmless=frozenset())
_OWN_NAMES = ("prompt", "scheduler", "target_size")


class TargetSize(BaseModel):
    """The size of the picture."""

    width: int | None = None
    height: int | None = None


class ImageBody(BaseModel):
    """A prompt, or a picture to start from, and how the picture is made."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"inputs": "a red apple", "parameters": {"num_inference_steps": 4}}]
        },
    )

    inputs: str
    """The prompt; or a picture as base64, whose prompt is among the parameters."""
    parameters: dict[str, Any] | None = Field(None, max_length=100)
    """Fields of a request, such as negative_prompt, width, height, num_inference_steps,
    guidance_scale, seed and strength; `prompt`, `target_size`, and `scheduler`: the name of a
    sampler or of a class of diffusers."""

    @property
    def _given(self) -> dict[str, Any]:
        return self.parameters or {}

    def values(self, received: Collection[str]) -> dict[str, Any]:
        """Return the values of a request. `received` are the names of received pictures. Raises
        ValidationError for a wrong size."""
        given = {name: each for name, each in self._given.items() if each is not None}
        values = {name: each for name, each in given.items() if name in REQUEST_FIELDS}
        if self.inputs in received or "prompt" in given or _PICTURE.match(self.inputs):
            values |= {"init_image": self.inputs, "prompt": given.get("prompt", "")}
        else:
            values["prompt"] = self.inputs
        if "target_size" in given:
            size = TargetSize.model_validate(given["target_size"])
            values |= {name: side for name, side in size if side is not None}
        if isinstance(name := given.get("scheduler"), str):
            values["sampler"] = label_of_sampler(name, "Automatic")[0] or name
        return values

    def not_applied(self) -> list[str]:
        """Return the names of parameters that have no effect."""
        known = {*REQUEST_FIELDS, *_OWN_NAMES}
        return _IGNORED.named(
            {name: each for name, each in self._given.items() if name not in known}
        )
