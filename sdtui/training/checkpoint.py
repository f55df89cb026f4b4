"""The state from which a training goes on after it was interrupted."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sdtui.core.errors import TrainingError
from sdtui.core.files import write_atomic

_NAME = re.compile(r"state-(\d{6,})\.pt")
_KEPT = 2
"""States: one more than needed, should the last one be damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """The state after a step. Everything else follows from the request and the step's number."""

    step: int
    tensors: Mapping[str, torch.Tensor]
    """Of `TrainedNetwork.tensors`."""
    optimizer: Mapping[str, Any]
    smoothed_loss: float


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a state into the folder of a training, and delete old ones. Raises OSError."""
    buffer = io.BytesIO()
    torch.save(vars(checkpoint), buffer)
    write_atomic(folder / f"state-{checkpoint.step:06}.pt", buffer.getvalue())
    for old in _states(folder)[_KEPT:]:
        old.unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the last state in the folder of a training that can be read; None if there is none.

    Raises TrainingError if there are some, but all are damaged.
    """
    states = _states(folder)
    for file in states:
        try:
            return Checkpoint(**torch.load(file, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, EOFError, TypeError, ValueError, pickle.UnpicklingError):
            continue
    if states:
        raise TrainingError(
            f"the states in {folder} can't be read", "Delete the folder to begin anew"
        )
    return None


def _states(folder: Path) -> list[Path]:
    """Return the files of states, the latest first."""
    found = [each for each in folder.glob("state-*.pt") if _NAME.fullmatch(each.name)]
    return sorted(found, key=lambda each: int(each.stem.partition("-")[2]), reverse=True)
