"""How much memory a training needs, and what fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
    kept = _kept_for_backward(model.pipeline.unet, resolution // model.vae_factor)
    passing = kept.largest_block * _BACKWARD_FACTOR
    return MemoryNeeds(
        trained=network.size,
        activations=kept.everything + passing,
        checkpointed=kept.between_blocks + passing,
    )


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


class _Kept(NamedTuple):
    """Bytes that a U-Net keeps of one picture for the backward pass."""

    everything: int
    between_blocks: int
    """With gradient checkpointing, where blocks are computed again."""
    largest_block: int


def _kept_for_backward(unet: Any, side: int) -> _Kept:
    """Return what a U-Net keeps of one picture, `side` latents high and wide. Nothing is computed:
    the tensors have shapes only."""
    shapes = [tuple(each.shape) for each in unet.parameters()]
    weights = {*shapes, *(shape[::-1] for shape in shapes)}  # linear layers keep them transposed
    sizes: dict[int, tuple[int, torch.Tensor]] = {}
    inputs: dict[int, tuple[int, torch.Tensor]] = {}
    blocks: list[int] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        is_weight = tensor.is_leaf and tuple(tensor.shape) in weights
        # The tensor is held, so that no other gets the address of its storage.
        sizes[storage._cdata] = 0 if is_weight else storage.nbytes(), tensor
        return tensor

    def run_block(block: Callable[..., Any], *arguments: Any) -> Any:
        before = _total(sizes)
        for each in arguments:
            if isinstance(each, torch.Tensor):
                storage = each.untyped_storage()
                inputs[storage._cdata] = storage.nbytes(), each
        result = block(*arguments)
        blocks.append(_total(sizes) - before)
        return result

    config, dtype, device = unet.config, unet.dtype, unet.device
    unet.enable_gradient_checkpointing(run_block)
    try:
        with (
            FakeTensorMode(allow_non_fake_inputs=True),
            torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        ):
            latents = torch.empty(1, config.in_channels, side, side, dtype=dtype, device=device)
            times = torch.zeros(1, dtype=torch.long, device=device)
            text = torch.empty(
                1, _TEXT_TOKENS, config.cross_attention_dim, dtype=dtype, device=device
            )
            unet(latents, times, text, return_dict=False, **_added_inputs(unet, text))
    finally:
        unet.disable_gradient_checkpointing()
    everything = _total(sizes)
    return _Kept(everything, everything - sum(blocks) + _total(inputs), max(blocks))


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
