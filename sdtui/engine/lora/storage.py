"""Where the weights of a pipeline are, whatever its memory mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

_GROUP_OFFLOAD = "group_offloading"
"""The name of diffusers' hook (hooks/group_offloading.py)."""


def stored_tensors(module: torch.nn.Module, name: str) -> list[torch.Tensor]:
    """Return the tensors that hold a parameter of a module: to change it, change all of them in
    place. The first one is what it is restored from.

    accelerate's sequential offload keeps weights in a map and leaves tensors without data in the
    module; diffusers' group offload with a stream keeps copies in main memory, from which it
    restores the module's tensors.
    """
    parameter = getattr(module, name)
    for hook in _accelerate_hooks(module):
        weights = getattr(hook, "weights_map", None)
        if getattr(hook, "offload", False) and weights is not None:
            return [weights[name]]
    registry: Any = getattr(module, "_diffusers_hook", None)
    hook = registry.get_hook(_GROUP_OFFLOAD) if registry is not None else None
    kept = hook.group.cpu_param_dict.get(parameter) if hook is not None else None
    data: torch.Tensor = parameter.data
    if kept is None:
        return [data]
    return [kept] if data.device == kept.device else [kept, data]


def _accelerate_hooks(module: torch.nn.Module) -> Iterator[Any]:
    hook = getattr(module, "_hf_hook", None)
    yield from getattr(hook, "hooks", (hook,) if hook is not None else ())
