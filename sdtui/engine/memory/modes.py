"""Memory modes: where a pipeline's weights are kept during a run, and switching between modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdtui.core.enums import MemoryMode
from sdtui.engine.device import Device

_USUAL_FACTOR = 8
"""Pixels per latent of a VAE that doesn't say it."""
_RECORDING_HOOKS = ("lazy_prefetch_group_offloading", "layer_execution_tracker")
"""Of diffusers' group offload (hooks/group_offloading.py)."""


def modes_for(device: Device) -> tuple[MemoryMode, ...]:
    """Return the modes of a device, fastest first. A CPU has those that keep all weights in main
    memory, or some."""
    if not device.is_accelerator:
        return (MemoryMode.FULL, MemoryMode.PARTS)
    return tuple(mode for mode in MemoryMode if mode is not MemoryMode.AUTO)


def can_change(current: MemoryMode, mode: MemoryMode) -> bool:
    """True if a pipeline in a mode can switch to another without being reloaded: the hooks of group
    offload can't be removed, and parts aren't all there."""
    if current is mode:
        return True
    return current is not MemoryMode.GROUP_OFFLOAD and MemoryMode.PARTS not in (current, mode)


def apply_mode(pipeline: Any, mode: MemoryMode, device: Device) -> None:
    """Put a pipeline into a memory mode, if `can_change` allows it."""
    remove_hooks(pipeline)
    _APPLY[mode](pipeline, device)


def remove_hooks(pipeline: Any) -> None:
    """Remove the hooks of a memory mode, except those of group offload."""
    # diffusers' method reads a list that only the offload modes create.
    if hasattr(pipeline, "_all_hooks"):
        pipeline.remove_all_hooks()


def _parts(_: Any, __: Device) -> None:
    """Do nothing: parts are moved when they are loaded."""


def _full(pipeline: Any, device: Device) -> None:
    pipeline.to(device.torch)


def _model_offload(pipeline: Any, device: Device) -> None:
    pipeline.enable_model_cpu_offload(device=device.torch)


def _group_offload(pipeline: Any, device: Device) -> None:
    import torch

    backend = torch.get_device_module(device.torch)
    # A stream overlaps transfers with computation, but doubles the weights in main memory.
    pipeline.enable_group_offload(
        onload_device=device.torch,
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=device.is_accelerator and hasattr(backend, "Stream"),
        low_cpu_mem_usage=True,
    )
    # With streams, diffusers records the order of a module's layers in its first call. A VAE is
    # never called as a whole, so its record would grow with every picture.
    registry: Any = getattr(getattr(pipeline, "vae", None), "_diffusers_hook", None)
    for name in _RECORDING_HOOKS if registry else ():
        registry.remove_hook(name, recurse=True)


def _sequential_offload(pipeline: Any, device: Device) -> None:
    pipeline.to("cpu", silence_dtype_warnings=True)
    pipeline.enable_sequential_cpu_offload(device=device.torch)


_APPLY: dict[MemoryMode, Callable[[Any, Device], None]] = {
    MemoryMode.FULL: _full,
    MemoryMode.MODEL_OFFLOAD: _model_offload,
    MemoryMode.GROUP_OFFLOAD: _group_offload,
    MemoryMode.SEQUENTIAL_OFFLOAD: _sequential_offload,
    MemoryMode.PARTS: _parts,
}


def set_vae_savings(vae: Any, *, slicing: bool, tile: int | None) -> bool:
    """Make the VAE decode one picture at a time (`slicing`) and in tiles of `tile` pixels a side
    (None = whole pictures). Returns False if this VAE doesn't support tiling."""
    # The methods are there for VAEs without slices or tiles, too.
    if hasattr(vae, "use_slicing"):
        vae.use_slicing = slicing
    if hasattr(vae, "use_tiling"):
        vae.use_tiling = tile is not None
    if tile is None:
        return True
    if not hasattr(vae, "use_tiling"):
        return False
    # By default the tiles are as large as the VAE's training pictures, so SDXL at its native size
    # would not be tiled at all.
    if hasattr(vae, "tile_sample_min_size"):
        factor = max(1, vae.tile_sample_min_size // max(1, vae.tile_latent_min_size))
        vae.tile_sample_min_size = tile
        vae.tile_latent_min_size = tile // factor
    elif hasattr(vae, "tile_sample_min_height"):
        for side in ("height", "width"):
            _set_tile_side(vae, side, tile)
    return True


def _set_tile_side(vae: Any, side: str, tile: int) -> None:
    """Set the height or width of the tiles of a VAE that has them apart, in pixels, and keep the
    share by which neighbours overlap."""
    usual, stride = f"tile_sample_min_{side}", f"tile_sample_stride_{side}"
    latent = f"tile_latent_min_{side}"
    before = getattr(vae, usual)
    factor = getattr(vae, "spatial_compression_ratio", 0)
    if not factor:
        factor = before // getattr(vae, latent, before // _USUAL_FACTOR)
    setattr(vae, usual, tile)
    if hasattr(vae, latent):
        setattr(vae, latent, tile // factor)
    if hasattr(vae, stride):
        # Tiles begin at whole latents.
        setattr(vae, stride, max(1, tile * getattr(vae, stride) // before // factor) * factor)
