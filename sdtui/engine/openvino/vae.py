"""The halves of a VAE as OpenVINO computes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from sdtui.engine.openvino.component import Component, smaller
from sdtui.engine.openvino.conversion import CannotConvertError

_FACTOR = 8
_LATENT_SIZE = (9, 11)


class Half:
    """Replaces the forward of a VAE's encoder or decoder, below its slices and tiles."""

    def __init__(self, module: nn.Module, name: str, notice: Callable[[str], None]) -> None:
        self.component = Component(module, notice)
        self._name = name

    def replaced(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a replacement of the forward."""

        def computed(given: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
            (tensor,) = tensors
            return (original(tensor.to(given.dtype)).float(),)

        def example(given: Tensor) -> list[Tensor]:
            scale = _FACTOR if self._name == "encoder" else 1
            return [smaller(given, *(scale * side for side in _LATENT_SIZE))]

        def forward(given: Tensor, *args: Any, **more: Any) -> Any:
            is_usual = all(each is None for each in (*args, *more.values()))
            if not is_usual or not self.component.can_compute():
                return original(given, *args, **more)
            try:
                (found,) = self.component.compute(
                    self._name, partial(computed, given), partial(example, given), [given]
                )
            except CannotConvertError:  # the component has said so
                return original(given, *args, **more)
            return found.to(given.dtype)

        return forward
