"""Converting modules of torch to OpenVINO's models."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sdtui.engine.memory.oom import is_out_of_memory

_log = logging.getLogger(__name__)

Function = Callable[..., tuple[Tensor, ...]]
"""Takes and returns tensors in float32."""
_IMAGES = 4
"""Dimensions of pictures and latents, N x C x h x w."""


class CannotConvertError(Exception):
    """OpenVINO has no way to compute something in a module."""


class _Traced(nn.Module):
    """A function as a module, with the weights of the modules that it calls."""

    def __init__(self, function: Function, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._function = function

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self._function(*tensors)


def convert(function: Function, module: nn.Module, example: Sequence[Tensor]) -> Any:
    """Return OpenVINO's model of a function that computes with a module, for tensors of the
    example's number of dimensions and channels and of any other size. It shares the weights.

    Raises CannotConvertError, or an error of the libraries when memory runs out.
    """
    import openvino
    from openvino.frontend import GeneralFailure, OpConversionFailure

    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Tracing warns of every comparison of sizes in Python.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(
                _Traced(function, module), tuple(example), check_trace=False, strict=False
            )
            return openvino.convert_model(
                traced,
                example_input=tuple(example),
                input=[(_any_size(each), openvino.Type.f32) for each in example],
            )
    except (RuntimeError, TypeError, ValueError, OpConversionFailure, GeneralFailure) as error:
        if is_out_of_memory(error):
            raise
        _log.warning("OpenVINO can't convert %s", type(module).__name__, exc_info=error)
        raise CannotConvertError(f"{type(module).__name__} can't be converted") from error


def _any_size(example: Tensor) -> list[int]:
    """Return the sizes of a tensor, -1 for all but that of its channels."""
    if not example.ndim:
        return []
    channels = 1 if example.ndim == _IMAGES else example.ndim - 1
    return [size if place == channels else -1 for place, size in enumerate(example.shape)]
