"""What the processes of a training do together. Each has a GPU, a model and its share of every
batch; their gradients are added up, so that all make the same steps as one process would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import patch_environment, reduce

_LONGEST = timedelta(days=7)
"""That processes wait for each other: samples and class pictures take long, and when one has died,
the first ends them all."""


class Processes:
    """The processes of a training as one of them sees them; alone, nothing is waited for."""

    def __init__(self, number: int = 0, count: int = 1, device: torch.device | None = None) -> None:
        """`number` is that of this process, from 0. `device` is where it computes."""
        self.number = number
        self.count = count
        self._device = device

    @property
    def is_main(self) -> bool:
        """True for the process that reports, and writes files and samples."""
        return self.number == 0

    def share(self, size: int) -> range:
        """Return which of `size` things are this process's."""
        return range(self.number, size, self.count)

    def wait(self) -> None:
        """Return when all have come here."""
        self.highest(0.0)

    def highest(self, value: float) -> float:
        """Return the highest value of all."""
        return self._over_all(value, "max")

    def total(self, value: float) -> float:
        """Return the sum of all values."""
        return self._over_all(value, "sum")

    def _over_all(self, value: float, operation: str) -> float:
        if self.count == 1:
            return value
        values = torch.tensor([value], dtype=torch.float64, device=self._device)
        return float(self._reduced(values, operation).item())

    def joined(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Return the values of all tensors, one behind the other, for `add`; None if this process
        is alone."""
        return torch.cat([each.flatten() for each in tensors]) if self.count > 1 else None

    def add(self, values: torch.Tensor | None, tensors: Sequence[torch.Tensor]) -> None:
        """Fill tensors with the sums over all processes of their values, which `joined` has
        returned."""
        if values is not None:
            sums = self._reduced(values, "sum").split([each.numel() for each in tensors])
            for tensor, part in zip(tensors, sums, strict=True):
                tensor.copy_(part.view_as(tensor))

    @torch.no_grad()
    def take_first(self, tensors: Sequence[torch.Tensor]) -> None:
        """Fill tensors with those of the first process."""
        values = self.joined(tensors)
        if values is not None:
            self.add(values if self.is_main else torch.zeros_like(values), tensors)

    def leave(self) -> None:
        """End what connects the processes."""
        if self.count > 1:
            PartialState().destroy_process_group()

    def _reduced(self, values: torch.Tensor, operation: str) -> torch.Tensor:
        result: torch.Tensor = reduce(values, operation)
        return result


def join(number: int, count: int, device: torch.device, rendezvous: Path) -> Processes:
    """Wait for the other processes of a training, and return them. They find each other by a file,
    which isn't there before."""
    variables = {
        **{"RANK": number, "LOCAL_RANK": number},
        **{"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count},
    }
    with patch_environment(**variables):
        PartialState(
            cpu=device.type == "cpu",
            init_method=rendezvous.absolute().as_uri(),
            rank=number,
            world_size=count,
            timeout=_LONGEST,
        )
    return Processes(number, count, device)
