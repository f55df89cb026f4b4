"""How much memory a training needs, and what fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sdtui.engine.device import Memory
from sdtui.engine.loaded import LoadedModel
from sdtui.requests.training.optimization import Optimizer
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.network import TrainedNetwork
from sdtui.training.plan import MemoryNeeds, MemoryPlan

_USABLE_SHARE = 0.9
"""The part of the free memory that a plan may take."""
_BACKWARD_FACTOR = 9
"""What the backward pass needs for a while, as a multiple of what the largest block keeps. Measured
on a CPU with SD 1.5: 7.6 at 512 x 512 pixels in float32, 9.8 with gradient checkpointing, 6.3 in
bfloat16; 11.7 at 256 x 256."""
_TEXT_TOKENS = 77


def memory_needs(model: LoadedModel, network: TrainedNetwork, resolution: int) -> MemoryNeeds:
    """Return what a training needs at a resolution in pixels, apart from what is in memory."""
    kept = kept_for_backward(model, network, resolution)
    passing = max(each.largest_block for each in kept) * _BACKWARD_FACTOR
    return MemoryNeeds(
        trained=network.size,
        activations=sum(each.everything for each in kept) + passing,
        checkpointed=sum(each.between_blocks for each in kept) + passing,
    )


def kept_for_backward(model: LoadedModel, network: TrainedNetwork, resolution: int) -> list[Kept]:
    """Return what the U-Net keeps of a picture, and each trained text encoder of its caption."""
    unet = _kept_by_unet(model.pipeline.unet, resolution // model.vae_factor)
    return [unet, *(_kept_by_text_encoder(each) for each in network.text_encoders)]


def memory_plan(
    request: TrainingRequest,
    needs: MemoryNeeds,
    optimizer: Optimizer,
    memory: Memory,
    processes: int = 1,
) -> MemoryPlan:
    """Return the fastest plan that fits the free memory, else the smallest, for each of the
    processes that share a batch. What the request says of gradient checkpointing stays."""
    free = int(memory.free * _USABLE_SHARE)
    wanted = request.execution.gradient_checkpointing
    pictures = -(-request.optimization.train_batch_size // processes)
    plan = MemoryPlan(pictures, optimizer, wanted is True)
    while needs.peak(plan) > free:
        less = plan.with_less() if wanted is None else plan.in_more_pieces()
        if less is None:
            break
        plan = less
    return replace(plan, estimate=needs.peak(plan) + memory.used)


class Kept(NamedTuple):
    """Bytes that a model keeps of one picture for the backward pass."""

    everything: int
    between_blocks: int
    """With gradient checkpointing, where blocks are computed again."""
    largest_block: int


class _Recorder:
    """Notes what a model keeps for the backward pass. Nothing is computed meanwhile: the tensors
    have shapes only."""

    def __init__(self, model: torch.nn.Module) -> None:
        shapes = [tuple(each.shape) for each in model.parameters()]
        # Linear layers keep them transposed.
        self._weights = {*shapes, *(shape[::-1] for shape in shapes)}
        self._sizes: dict[int, tuple[int, torch.Tensor]] = {}
        self._inputs: dict[int, tuple[int, torch.Tensor]] = {}
        self._blocks: list[int] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        with (
            FakeTensorMode(allow_non_fake_inputs=True),
            torch.autograd.graph.saved_tensors_hooks(self._note, lambda tensor: tensor),
        ):
            yield

    def run_block(self, block: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Run a part of the model that gradient checkpointing computes again."""
        before = _total(self._sizes)
        for each in arguments:
            if isinstance(each, torch.Tensor):
                storage = each.untyped_storage()
                self._inputs[storage._cdata] = storage.nbytes(), each
        result = block(*arguments, **named)
        self._blocks.append(_total(self._sizes) - before)
        return result

    def kept(self) -> Kept:
        everything = _total(self._sizes)
        between = everything - sum(self._blocks) + _total(self._inputs)
        return Kept(everything, between, max(self._blocks))

    def _note(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        whole = tensor if tensor._base is None else tensor._base
        is_weight = whole.is_leaf and tuple(whole.shape) in self._weights
        # The tensor is held, so that no other gets the address of its storage.
        self._sizes[storage._cdata] = 0 if is_weight else storage.nbytes(), tensor
        return tensor


def _kept_by_unet(unet: Any, side: int) -> Kept:
    """Return what a U-Net keeps of one picture, `side` latents high and wide."""
    config, dtype, device = unet.config, unet.dtype, unet.device
    recorder = _Recorder(unet)
    unet.enable_gradient_checkpointing(recorder.run_block)
    try:
        with recorder.recording():
            latents = torch.empty(1, config.in_channels, side, side, dtype=dtype, device=device)
            times = torch.zeros(1, dtype=torch.long, device=device)
            text = torch.empty(
                1, _TEXT_TOKENS, config.cross_attention_dim, dtype=dtype, device=device
            )
            unet(latents, times, text, return_dict=False, **_added_inputs(unet, text))
    finally:
        unet.disable_gradient_checkpointing()
    return recorder.kept()


def _kept_by_text_encoder(encoder: Any) -> Kept:
    """Return what a text encoder that is trained keeps of one caption."""
    recorder = _Recorder(encoder)
    layers = [
        layer
        for each in encoder.modules()
        if isinstance(each, torch.nn.ModuleList)
        for layer in each
    ]
    for layer in layers:
        layer.forward = partial(recorder.run_block, layer.forward)
    try:
        with recorder.recording():
            tokens = torch.zeros(1, _TEXT_TOKENS, dtype=torch.long, device=encoder.device)
            encoder(tokens, output_hidden_states=True)
    finally:
        for layer in layers:
            del layer.forward
    return recorder.kept()


def _total(sizes: Mapping[int, tuple[int, torch.Tensor]]) -> int:
    return sum(size for size, _ in sizes.values())


def _added_inputs(unet: Any, text: torch.Tensor) -> Mapping[str, Any]:
    """Return SDXL's further inputs, empty for other models."""
    if unet.config.addition_embed_type != "text_time":
        return {}
    ids = 6
    pooled = unet.config.projection_class_embeddings_input_dim - (
        ids * unet.config.addition_time_embed_dim
    )
    return {
        "added_cond_kwargs": {
            "text_embeds": text.new_empty(len(text), pooled),
            "time_ids": text.new_empty(len(text), ids),
        }
    }
