"""Read the outputs of a UNet's layers in training."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor


class LayerOutputs:
    """The outputs of some layers in the latest pass."""

    def __init__(self, unet: Any, names: Iterable[str]) -> None:
        self._outputs: dict[str, Tensor] = {}
        for name in names:
            unet.get_submodule(name).register_forward_hook(_store(self._outputs, name))

    def take(self) -> dict[str, Tensor]:
        """The outputs by the layers' names; they are let go of."""
        outputs = dict(self._outputs)
        self._outputs.clear()
        return outputs


def _store(outputs: dict[str, Tensor], name: str) -> Callable[[Any, Any, Any], None]:
    def hook(_layer: Any, _inputs: Any, output: Any) -> None:
        outputs[name] = output[0] if isinstance(output, tuple) else output

    return hook
