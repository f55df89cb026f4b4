"""Prompts that change by step, and prompts of several parts, given to the denoiser in each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sdtui.engine.embeddings import EncodedPart, StepwisePrompts


@contextmanager
def stepwise_prompts(
    denoiser: nn.Module,
    prompts: StepwisePrompts | None,
    pictures: int,
    calls_before: Callable[[], int] = int,
) -> Iterator[None]:
    """Give `denoiser`, a UNet, the prompts of each step while the context is open. `pictures` is
    the number of pictures in the batch; there are twice as many rows with guidance, the
    unconditional ones first. `calls_before` returns how often an earlier pass has called it, in
    which these prompts began."""
    if prompts is None:
        yield
        return
    hooks = _Hooks(prompts, pictures, calls_before)
    handles = [
        denoiser.register_forward_pre_hook(hooks.before_call, with_kwargs=True),
        # Before those that look at the output, such as the previews'.
        denoiser.register_forward_hook(hooks.after_call, prepend=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Hooks:
    def __init__(
        self, prompts: StepwisePrompts, pictures: int, calls_before: Callable[[], int]
    ) -> None:
        self._prompts = prompts
        self._pictures = pictures
        self._calls_before = calls_before
        self._calls = 0
        self._is_guided = False
        self._on_device: dict[int, Tensor] = {}
        self._row_indices: dict[int, Tensor] = {}

    @property
    def _has_parts(self) -> bool:
        return len(self._prompts.parts) > 1

    def before_call(
        self, _: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Replace the prompts, and repeat the rows of the pictures for each part."""
        sample: Tensor = args[0] if args else given["sample"]
        self._is_guided = len(sample) > self._pictures
        if self._has_parts:
            rows = self._rows(len(sample), sample.device)
            args = tuple(_selected(each, rows, len(sample)) for each in args)
            given = {name: _selected(each, rows, len(sample)) for name, each in given.items()}
        call = self._calls_before() + self._calls
        texts = [part.at(call) for part in self._texts()]
        self._calls += 1
        given["encoder_hidden_states"] = self._stacked([each.hidden for each in texts], sample)
        pooled = [each.pooled for each in texts if each.pooled is not None]
        if pooled:
            added = given["added_cond_kwargs"]
            text_embeds = self._stacked(pooled, sample)
            given["added_cond_kwargs"] = {**added, "text_embeds": text_embeds}
        return args, given

    def after_call(self, _: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """Combine the predictions of the parts."""
        if not self._has_parts:
            return output
        if isinstance(output, tuple):
            return (self._combined(output[0]), *output[1:])
        return replace(output, sample=self._combined(output.sample))

    def _texts(self) -> Sequence[EncodedPart]:
        negative = self._prompts.negative
        if negative is None or not (self._is_guided or self._has_parts):
            return self._prompts.parts
        return (negative, *self._prompts.parts)

    def _rows(self, count: int, device: torch.device) -> Tensor:
        """Return the indices of the rows: the unconditional ones, then those of each part."""
        if count not in self._row_indices:
            first = range(self._pictures)
            last = range(count - self._pictures, count)
            indices = [*first, *[*last] * len(self._prompts.parts)]
            self._row_indices[count] = torch.tensor(indices).to(device)
        return self._row_indices[count]

    def _stacked(self, tensors: Sequence[Tensor], like: Tensor) -> Tensor:
        """Return one row for each text and picture."""
        rows = []
        for tensor in tensors:
            if id(tensor) not in self._on_device:
                self._on_device[id(tensor)] = tensor.to(like.device)
            rows.append(self._on_device[id(tensor)])
        return torch.cat(rows).repeat_interleave(self._pictures, dim=0)

    def _combined(self, predicted: Tensor) -> Tensor:
        unconditional, *conditional = predicted.float().split(self._pictures)
        total = combine(
            unconditional, conditional, [part.weight for part in self._prompts.parts]
        ).to(predicted.dtype)
        if not self._is_guided:
            return total
        return torch.cat([predicted[: self._pictures], total])


def combine(
    unconditional: Tensor, conditional: Sequence[Tensor], weights: Sequence[float]
) -> Tensor:
    """Return the prediction of several prompts with weights. Source: Liu et al. 2022 (Compositional
    Visual Generation with Composable Diffusion Models), eq. 11; A1111 does the same."""
    if len(conditional) == 1 and weights[0] == 1:
        return conditional[0]
    directions = zip(conditional, weights, strict=True)
    return unconditional + sum(weight * (each - unconditional) for each, weight in directions)


def _selected(value: Any, rows: Tensor, count: int) -> Any:
    """Return a value of the denoiser's call with other rows, if it has as many rows as there are
    latents."""
    if isinstance(value, Tensor):
        return value.index_select(0, rows) if value.ndim and len(value) == count else value
    if isinstance(value, dict):
        return {name: _selected(each, rows, count) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_selected(each, rows, count) for each in value)
    return value
