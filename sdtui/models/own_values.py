"""What the file beside a model says of it: its native values, what it learns best with, and how it
predicts noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdtui.core.errors import InvalidRequestError, ModelDamagedError
from sdtui.models.component_files import read_json
from sdtui.requests.request import REQUEST_FIELDS, SMALLEST_SIDE
from sdtui.requests.training.request import TRAINING_FIELDS
from sdtui.requests.validation import validate_fields

OWN_FILE = "sdtui.json"
"""The name of the file in a model folder; that of a checkpoint begins with the checkpoint's name:
`mine.sdtui.json` beside `mine.safetensors`."""

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
_CORRECTION = "Correct the file or remove it"


@dataclass(frozen=True)
class OwnValues:
    """The values in a model's own file."""

    native: Mapping[str, Any] = field(default_factory=dict)
    """Values of request fields, by their unique names."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Values of a training's fields, for those that a request leaves open."""
    hires_above: int | None = None
    """See ModelDescription."""
    prediction_type: str | None = None
    """One of PREDICTION_TYPES."""
    zero_terminal_snr: bool | None = None


def own_file(model: Path) -> Path:
    """Return where a model's own file would be."""
    return model / OWN_FILE if model.is_dir() else model.with_suffix(f".{OWN_FILE}")


def read_own_values(model: Path) -> OwnValues:
    """Return the values of a model's own file; none if there is no such file.

    Raises ModelDamagedError for unknown names, and for values outside the limits of a request.
    """
    file = own_file(model)
    if not file.is_file():
        return OwnValues()
    values = read_json(file)
    prediction_type = values.pop("prediction_type", None)
    if prediction_type not in (None, *PREDICTION_TYPES):
        raise ModelDamagedError(
            f"{file} can't be used: prediction_type must be one of {', '.join(PREDICTION_TYPES)}",
            _CORRECTION,
        )
    zero_terminal_snr = values.pop("zero_terminal_snr", None)
    if zero_terminal_snr not in (None, True, False):
        problem = f"{file} can't be used: zero_terminal_snr must be true or false"
        raise ModelDamagedError(problem, _CORRECTION)
    hires_above = values.pop("hires_above", None)
    if hires_above is not None and not (type(hires_above) is int and hires_above >= SMALLEST_SIDE):
        problem = f"{file} can't be used: hires_above must be {SMALLEST_SIDE} pixels or more"
        raise ModelDamagedError(problem, _CORRECTION)
    of_training = values.pop("training", {})
    if not isinstance(of_training, dict):
        raise ModelDamagedError(f"{file} can't be used: training must be an object", _CORRECTION)
    try:
        training = validate_fields(TRAINING_FIELDS, of_training)
        native = validate_fields(REQUEST_FIELDS, values)
    except InvalidRequestError as error:
        raise ModelDamagedError(f"{file} can't be used: {error}", _CORRECTION) from error
    return OwnValues(native, training, hires_above, prediction_type, zero_terminal_snr)
