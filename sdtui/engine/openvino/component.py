"""One component of a pipeline as OpenVINO computes it: converted, kept and compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from sdtui import __version__
from sdtui.engine.openvino import store
from sdtui.engine.openvino.compiled import Compiled
from sdtui.engine.openvino.conversion import CannotConvertError, Function, convert
from sdtui.engine.openvino.weights import State, Watched

_LIBRARIES = ("openvino", "torch", "diffusers")
"""A conversion depends on their versions."""


class Component:
    """Computes functions of one module. What it has made of the module is made anew when its
    weights have changed."""

    def __init__(self, module: nn.Module, notice: Callable[[str], None]) -> None:
        """`notice` is called with why torch computes the module in place of OpenVINO."""
        self._module = module
        self._notice = notice
        self._watched = Watched(module)
        self._compiled: dict[str, Compiled] = {}
        self._state: State | None = None
        self._digest: str | None = None
        self._failure: str | None = None
        self._is_begun = False
        self._check: Callable[[], None] = _no_check

    def begin(self, check: Callable[[], None]) -> None:
        """Called before each stage. `check` may raise to stop a computation."""
        self._check = check
        self._is_begun = False

    def can_compute(self) -> bool:
        """Return whether OpenVINO computes the module as it is now."""
        reason = self._why_not()
        self._is_begun = True
        if reason is not None:
            self._notice(reason)
        return reason is None

    def compute(
        self,
        name: str,
        function: Function,
        example: Callable[[], Sequence[Tensor]],
        inputs: Sequence[Tensor],
    ) -> list[Tensor]:
        """Return what a function of the module gives for tensors, in float32. `name` stands for the
        function, `example` returns tensors of other sizes that show what it does.

        Raises CannotConvertError, and what `check` raises.
        """
        if name not in self._compiled:
            try:
                self._compiled[name] = self._made(name, function, example)
            except CannotConvertError as error:
                self._failure = str(error)
                self._notice(self._failure)
                raise
        return self._compiled[name](inputs, self._check)

    def _why_not(self) -> str | None:
        reason = self._watched.why_not()
        if reason is not None:
            return reason
        state = self._watched.state()
        if state != self._state:
            if self._is_begun:
                return "LoRAs change from step to step"
            self._compiled.clear()
            self._state, self._digest, self._failure = state, None, None
        return self._failure

    def _made(
        self, name: str, function: Function, example: Callable[[], Sequence[Tensor]]
    ) -> Compiled:
        """Return a function's model from disk, else convert it."""
        parameters = list(self._module.parameters())
        weights_bytes = sum(each.nbytes for each in parameters)
        if self._digest is None:
            self._digest = self._watched.digest()
        key = _key(self._digest, name)
        self._check()
        model = store.read(key)
        if model is None:
            model = convert(function, self._module, [each.float() for each in example()])
            self._check()
            store.write(key, model, weights_bytes)
        self._check()
        return Compiled(model, parameters[0].dtype, weights_bytes)


def smaller(tensor: Tensor, height: int, width: int) -> Tensor:
    """Return zeros with the channels of a tensor for two pictures, of another height and width if
    it has such: an example of any size."""
    if tensor.ndim <= 1:
        return torch.zeros(tensor.shape)
    if tensor.ndim == 4:
        return torch.zeros(2, tensor.shape[1], height, width)
    return torch.zeros(2, *tensor.shape[1:])


def _key(*parts: Any) -> str:
    """Return the name on disk of a conversion."""
    versions = [__version__, *(version(each) for each in _LIBRARIES)]
    return hashlib.sha256(repr((parts, versions)).encode()).hexdigest()[:40]


def _no_check() -> None:
    """Do nothing."""
