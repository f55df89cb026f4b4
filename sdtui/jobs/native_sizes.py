"""The native sizes of a backend's models."""

from __future__ import annotations

from sdtui.jobs.api import Models
from sdtui.models import native_size

_DEFAULT_SIDE = 512


def native_size_of(models: Models, name: str) -> tuple[int, int]:
    """Return the native width and height of a model in pixels; those of SD 1.x for one that isn't
    downloaded. Raises ModelError."""
    description = models.describe(models.find(name))
    return (_DEFAULT_SIDE, _DEFAULT_SIDE) if description is None else native_size(description)
