"""UNets as OpenVINO computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor

from sdtui.engine.openvino.component import Component, smaller
from sdtui.engine.openvino.conversion import CannotConvertError
from sdtui.engine.speed.deepcache import DeepCache

_POSITIONAL = ("encoder_hidden_states", "class_labels", "timestep_cond")
"""The UNet's arguments behind latents and timestep."""
_ADDED = ("text_embeds", "time_ids")
"""Tensors of SDXL, in `added_cond_kwargs`."""
_TENSORS = ("encoder_hidden_states", "timestep_cond", *_ADDED)
"""What is converted beside latents and timestep."""
_EXAMPLE_SIZE = (9, 11)
"""Not a multiple of what the blocks scale by: else they would compute for multiples only."""
_REASONS = {
    "down_block_additional_residuals": "ControlNets add to the UNet's layers",
    "mid_block_additional_residual": "ControlNets add to the UNet's layers",
    "image_embeds": "IP-Adapters change the attention",
}
"""Why a UNet isn't computed with some arguments."""


class Denoiser:
    """Replaces a UNet's forward."""

    def __init__(self, unet: Any, reuse: DeepCache | None, notice: Callable[[str], None]) -> None:
        """`reuse` = its hooks are in the UNet's blocks."""
        self.component = Component(unet, notice)
        self._reuse = reuse
        self._notice = notice

    def replaced(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a replacement of the UNet's forward."""

        def forward(sample: Tensor, timestep: Any, *args: Any, **given: Any) -> Any:
            tensors = self._tensors(sample, timestep, args, given)
            if tensors is None or not self.component.can_compute():
                return original(sample, timestep, *args, **given)
            try:
                predicted = self._predicted(_Functions(original, tensors, self._reuse), tensors)
            except CannotConvertError:  # the component has said so
                return original(sample, timestep, *args, **given)
            predicted = predicted.to(sample.dtype)
            if given.get("return_dict", True):
                return UNet2DConditionOutput(sample=predicted)
            return (predicted,)

        return forward

    def _tensors(
        self, sample: Tensor, timestep: Any, args: Sequence[Any], given: Mapping[str, Any]
    ) -> dict[str, Tensor] | None:
        """Return a call's tensors by name; None if it has others than those that are known."""
        values = {**given, **(given.get("added_cond_kwargs") or {})}
        values |= {str(number): value for number, value in enumerate(args)}
        values |= dict(zip(_POSITIONAL, args, strict=False))
        for name in ("return_dict", "added_cond_kwargs", *map(str, range(len(_POSITIONAL)))):
            values.pop(name, None)
        values = {name: value for name, value in values.items() if value is not None}
        found = {"sample": sample, "timestep": torch.as_tensor(timestep).reshape(-1)[0]}
        found |= {name: values.pop(name) for name in _TENSORS if name in values}
        if values:
            self._notice(_REASONS.get(next(iter(values)), "the UNet gets unusual arguments"))
            return None
        return found

    def _predicted(self, functions: _Functions, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the UNet's output in float32."""
        compute, reuse, inputs = self.component.compute, self._reuse, list(tensors.values())
        names = ", ".join(tensors)
        if reuse is None:
            (predicted,) = compute(names, functions.whole, functions.example, inputs)
            return predicted
        reuse.begin_pass()
        kept = None if reuse.fresh else reuse.output
        try:
            with reuse.unchanged():  # a conversion runs the blocks
                if kept is not None:
                    name, example = f"outermost blocks: {names}", functions.example_with_features
                    (predicted,) = compute(name, functions.outermost, example, [*inputs, kept])
                    return predicted
                name, example = f"deep features: {names}", functions.example
                predicted, features = compute(name, functions.with_features, example, inputs)
        except CannotConvertError:
            reuse.restart()  # torch computes this pass, and counts it
            raise
        reuse.output = features
        return predicted


class _Functions:
    """What is converted of a UNet. With deep features that are reused, there are two functions: the
    whole UNet, which returns them as well, and its outermost blocks, which take them."""

    def __init__(
        self,
        forward: Callable[..., Any],
        tensors: Mapping[str, Tensor],
        reuse: DeepCache | None,
    ) -> None:
        """`tensors` are those of a call, of any size."""
        self._forward = forward
        self._tensors = tensors
        self._dtype = tensors["sample"].dtype
        self._reuse = reuse

    def example(self) -> list[Tensor]:
        """Return tensors for `whole` and `with_features`."""
        return [smaller(each, *_EXAMPLE_SIZE) for each in self._tensors.values()]

    def example_with_features(self) -> list[Tensor]:
        """Return tensors for `outermost`."""
        with torch.no_grad():
            return [*self.example(), self.with_features(*self.example())[1]]

    def whole(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the prediction."""
        given = {
            name: tensor if name == "timestep" else tensor.to(self._dtype)
            for name, tensor in zip(self._tensors, tensors, strict=True)
        }
        added = {name: given.pop(name) for name in _ADDED if name in given}
        (predicted,) = self._forward(**given, added_cond_kwargs=added or None, return_dict=False)
        return (predicted.float(),)

    def with_features(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the prediction and the deep features."""
        reuse = self._reuse
        assert reuse is not None
        reuse.restart()
        (predicted,) = self.whole(*tensors)
        assert reuse.output is not None
        return predicted, reuse.output.float()

    def outermost(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the prediction with deep features, the last of the tensors. Called after
        `with_features`."""
        reuse = self._reuse
        assert reuse is not None
        reuse.reuse_next(tensors[-1].to(self._dtype))
        return self.whole(*tensors[:-1])
