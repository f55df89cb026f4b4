"""Run ControlNets before each call of the UNet, and add what they compute to it: the sums of all
nets, through the UNet's own arguments for that. Latents and prompts are those that the UNet gets,
so that it works with every kind of pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sdtui.core.control_names import ControlMode
from sdtui.engine.denoiser_calls import rows_from

_SOFTER = 0.825
"""The factor from one residual to the one before, where they are weakened (A1111's extension
sd-webui-controlnet)."""


@dataclass(frozen=True)
class Unit:
    """A net with its control picture."""

    net: Any
    image: Tensor
    """1 x 3 x H x W, 0 to 1, in the net's dtype, on the device that it computes on."""
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    """The shares of the steps between which it is used."""
    mode: ControlMode = ControlMode.BALANCED
    type: int | None = None
    """The type of its picture, for a net of several."""
    is_softer: bool = False
    """True if the outer layers are weakened whatever is more important."""

    def is_used(self, call: int, calls: int) -> bool:
        """True if the net is used in a call of the denoiser, as in diffusers' pipelines."""
        return not (call / calls < self.start or (call + 1) / calls > self.end)

    @property
    def spares_unconditional(self) -> bool:
        """True if nothing is added to the half of the batch without the prompt."""
        return self.mode is ControlMode.CONTROL or bool(self._config("global_pool_conditions"))

    def _config(self, name: str) -> Any:
        return self.net.config.get(name)

    def residuals(self, sample: Tensor, timestep: Any, given: dict[str, Any]) -> list[Tensor]:
        """Return what the net adds to each block, the middle one last."""
        more: dict[str, Any] = {"conditioning_scale": self.weight}
        image: Any = self.image.expand(len(sample), -1, -1, -1)
        if self.type is not None:
            types = torch.zeros(len(sample), self.net.config.num_control_type).to(sample)
            types[:, self.type] = 1
            more |= {"control_type": types, "control_type_idx": [self.type]}
            more["conditioning_scale"] = [self.weight]
            image = [image]
        if "added_cond_kwargs" in given and self._config("addition_embed_type"):
            more["added_cond_kwargs"] = given["added_cond_kwargs"]
        down, middle = self.net(
            sample[:, : self.net.config.in_channels],
            timestep,
            encoder_hidden_states=given["encoder_hidden_states"],
            controlnet_cond=image,
            return_dict=False,
            **more,
        )
        found = [*down, middle]
        if self.is_softer or self.mode is not ControlMode.BALANCED:
            last = len(found) - 1
            found = [each * _SOFTER ** (last - place) for place, each in enumerate(found)]
        return found


@contextmanager
def controlled(
    denoiser: nn.Module, units: Sequence[Unit], pictures: int, calls: Callable[[], int]
) -> Iterator[None]:
    """Add the residuals of units to each call of `denoiser`, a UNet, while the context is open.
    `pictures` is the number of pictures in the batch; `calls` returns how often the UNet is
    called."""
    hook = _Hook(units, pictures, calls)
    handle = denoiser.register_forward_pre_hook(hook.before_call, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@dataclass
class _Hook:
    units: Sequence[Unit]
    pictures: int
    calls: Callable[[], int]
    call: int = 0

    def before_call(
        self, _: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Add the residuals to the UNet's arguments."""
        sample: Tensor = args[0] if args else given["sample"]
        timestep = args[1] if len(args) > 1 else given["timestep"]
        calls = max(1, self.calls())
        used = [each for each in self.units if each.is_used(self.call, calls)]
        self.call += 1
        total: list[Tensor] = []
        for unit in used:
            found = self._residuals(unit, sample, timestep, given)
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        if total:
            given = {
                **given,
                "down_block_additional_residuals": tuple(total[:-1]),
                "mid_block_additional_residual": total[-1],
            }
        return args, given

    def _residuals(
        self, unit: Unit, sample: Tensor, timestep: Any, given: dict[str, Any]
    ) -> list[Tensor]:
        spared = self.pictures if len(sample) > self.pictures else 0
        if not (unit.spares_unconditional and spared):
            return unit.residuals(sample, timestep, given)
        rows = len(sample)
        conditional = {name: rows_from(each, spared, rows) for name, each in given.items()}
        found = unit.residuals(sample[spared:], timestep, conditional)
        return [torch.cat([each.new_zeros(spared, *each.shape[1:]), each]) for each in found]
