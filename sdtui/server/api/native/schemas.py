"""The body of a request: a GenerationRequest whose picture comes along instead of its path."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from sdtui.requests.request import GenerationRequest

_MOST_FIELDS = 100


class GenerateBody(GenerationRequest):
    """What to make. Fields that are left open take the server's or the model's own values."""

    init_image: str | None = Field(None)  # type: ignore[assignment]  # never a path here
    """A picture to start from, as base64 or a data URL."""

    @model_validator(mode="before")
    @classmethod
    def _few(cls, values: Any) -> Any:
        """Each unknown field is an error of its own, and a body may hold a million."""
        if isinstance(values, dict) and len(values) > _MOST_FIELDS:
            raise ValueError(f"has {len(values)} fields; there are {len(cls.model_fields)}")
        return values

    def values(self) -> dict[str, Any]:
        """What was sent, without the picture."""
        return self.model_dump(include=self.model_fields_set - {"init_image"})
