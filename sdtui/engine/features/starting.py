"""Which models can start from pictures."""

from __future__ import annotations

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.families import family_of
from sdtui.models import ModelDescription


def check_starts(description: ModelDescription, what: str) -> None:
    """Raise UnsupportedModelError if passes of a model, so described, can't start from pictures.
    `what` is what would need it, for people."""
    if not family_of(description).can_start(description):
        raise UnsupportedModelError(
            f"{description.name} ({description.family_name}) makes pictures from text alone, and "
            f"{what} starts from a picture",
            f"Leave {what} out, or use another model",
        )
