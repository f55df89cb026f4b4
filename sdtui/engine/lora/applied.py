"""AppliedLoras: the LoRAs that are merged into a loaded pipeline.

Weights are changed in place, so that memory modes, compiled code and hooks see the change, and
restored bit for bit from copies of the touched ones in main memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sdtui.engine.lora.delta import Delta
from sdtui.engine.lora.side_branch import add_branch, is_absent, is_mergeable
from sdtui.engine.lora.storage import stored_tensors


@dataclass(frozen=True)
class Change:
    """A delta of some rows of a parameter, with the weight that it is added with."""

    delta: Delta
    weight: float
    start: int = 0
    """The first row."""


Parameter = tuple[str, str, str]
"""A parameter of a pipeline: component, path of the module, "weight" or "bias"."""


class AppliedLoras:
    """Belongs to one loaded pipeline."""

    def __init__(self) -> None:
        self._originals: dict[Parameter, torch.Tensor] = {}
        """Copies of all parameters that are changed now."""
        self._branches: list[Any] = []
        """Handles of the side branches of quantized layers."""

    def change(self, pipeline: Any, changes: Mapping[Parameter, Sequence[Change]]) -> None:
        """Make these the only changes of the pipeline's weights; none restores it.

        If it fails, the pipeline is as without LoRAs.
        """
        self._remove_branches()
        try:
            for parameter in self._originals.keys() - changes.keys():
                self._restore(pipeline, parameter)
            for parameter, some in changes.items():
                module = module_of(pipeline, parameter)
                if is_absent(module, parameter[2]):
                    continue
                if is_mergeable(module, parameter[2]):
                    self._merge(module, parameter, some)
                else:
                    self._branches += [
                        add_branch(module, each.delta, each.weight, each.start) for each in some
                    ]
        except BaseException:
            self.restore(pipeline)
            raise

    def restore(self, pipeline: Any) -> None:
        """Give the pipeline its own weights back."""
        self._remove_branches()
        for parameter in list(self._originals):
            self._restore(pipeline, parameter)

    def _remove_branches(self) -> None:
        for handle in self._branches:
            handle.remove()
        self._branches = []

    def _restore(self, pipeline: Any, parameter: Parameter) -> None:
        for tensor in stored_tensors(module_of(pipeline, parameter), parameter[2]):
            tensor.copy_(self._originals[parameter])
        del self._originals[parameter]

    @torch.no_grad()
    def _merge(
        self, module: torch.nn.Module, parameter: Parameter, changes: Sequence[Change]
    ) -> None:
        stored = stored_tensors(module, parameter[2])
        first = stored[0]
        if parameter not in self._originals:
            self._originals[parameter] = first.detach().to("cpu", copy=True)
            original = first
        else:
            original = self._originals[parameter].to(first.device)
        matrix = original.reshape(len(original), -1).float()
        merged = matrix + _sum(changes, matrix)
        for tensor in stored:
            tensor.copy_(merged.reshape(tensor.shape))


def module_of(pipeline: Any, parameter: Parameter) -> torch.nn.Module:
    """Return the module of a parameter."""
    component: torch.nn.Module = getattr(pipeline, parameter[0])
    return component.get_submodule(parameter[1])


def _sum(changes: Iterable[Change], matrix: torch.Tensor) -> torch.Tensor:
    """Return the sum of all changes of a weight, in fp32."""
    total = None
    for each in changes:
        rows, _ = each.delta.shape
        part = each.delta.change(matrix[each.start : each.start + rows]).mul_(each.weight)
        if rows == len(matrix):
            total = part if total is None else total.add_(part)
        else:
            total = torch.zeros_like(matrix) if total is None else total
            total[each.start : each.start + rows] += part
    assert total is not None
    return total
