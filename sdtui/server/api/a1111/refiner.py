"""A1111's fields of the refiner."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sdtui.server.dialects import BOOLS_AS_NUMBERS, limits_of

_SwitchAt = Annotated[float | None, limits_of("refiner_switch_at", ge=0, le=1), BOOLS_AS_NUMBERS]


class RefinerFields(BaseModel):
    """The model that takes the last steps."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    refiner_checkpoint: str | None = Field(None, max_length=300)
    """A title from /sd-models; empty or None = no refiner."""
    refiner_switch_at: _SwitchAt = None
    """0.8 if it is missing; 0 and 1 switch the refiner off."""

    def refiner_values(self) -> dict[str, Any]:
        """Return the title of the refiner, and when it takes over; None if it is off."""
        title, switch_at = self.refiner_checkpoint or "", self.refiner_switch_at
        is_on = title.lower() not in ("", "none") and switch_at not in (0, 1)
        return {
            "refiner": title if is_on else None,
            "refiner_switch_at": switch_at if is_on else None,
        }

    def unused_refiner_values(self) -> dict[str, Any]:
        """Return the fields that have no effect because the refiner is off."""
        is_on = self.refiner_values()["refiner"] is not None
        return {} if is_on else {"refiner_switch_at": self.refiner_switch_at}
