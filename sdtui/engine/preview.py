"""A small preview picture, cheap enough for every step.

x0, the predicted final latents, is computed from the denoiser's input and output; the noisy latents
that diffusers passes to its callback show little during the first half of a run. x0's channels are
then mixed into red, green and blue at one pixel per latent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class LatentToRGB:
    """The linear map from a model's latents to a small RGB picture."""

    def __init__(self, factors: Tensor) -> None:
        """`factors`: (latent channels + 1) x 3; the last row is the offset."""
        self._factors = factors.float().cpu()

    def __call__(self, latents: Tensor) -> Tensor:
        """Return the pixels of latents of shape C x H x W: H x W x 3, uint8, on the latents'
        device."""
        # Kept on the device from the first preview on.
        self._factors = self._factors.to(latents.device, non_blocking=True)
        channels, height, width = latents.shape
        flat = latents.float().reshape(channels, -1).T
        rgb = torch.addmm(self._factors[channels], flat, self._factors[:channels])
        pixels = rgb.add(1).mul(127.5).clamp(0, 255).to(torch.uint8)
        return pixels.reshape(height, width, 3)


@dataclass(frozen=True)
class _Copy:
    """Pixels that are being copied to main memory."""

    step: int
    pixels: Tensor
    done: torch.cuda.Event | None
    """Recorded behind the copy; None if the copy was finished at once."""


class PreviewCopies:
    """Brings previews to main memory without waiting for the device: a preview is returned once its
    copy has finished, and those that come meanwhile are left out."""

    def __init__(self) -> None:
        self._copy: _Copy | None = None

    def start(self, step: int, pixels: Tensor) -> None:
        """Start to copy the preview of a step, H x W x 3, unless another is being copied."""
        if self._copy is not None:
            return
        if pixels.device.type != "cuda":
            self._copy = _Copy(step, pixels.cpu(), None)
            return
        target = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
        target.copy_(pixels, non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(pixels.device))
        self._copy = _Copy(step, target, done)

    def finished(self) -> tuple[int, Tensor] | None:
        """Return the step and the pixels of the copy that has finished, or None."""
        copy = self._copy
        if copy is None or (copy.done is not None and not copy.done.query()):
            return None
        self._copy = None
        return copy.step, copy.pixels


class X0Watcher:
    """Hooks the denoiser's forward passes and computes x0 of the batch's first picture.

    Works with every variance-preserving sampler, since each scales the latents to that form before
    the denoiser's call: x = sqrt(a)·x0 + sqrt(1-a)·noise, where a is the product of the alphas up
    to the timestep (Song et al. 2020, DDIM, eq. 4).
    """

    def __init__(self, scheduler_config: Mapping[str, Any], alphas_cumprod: Tensor) -> None:
        self._prediction_type = str(scheduler_config.get("prediction_type", "epsilon"))
        self._log_alphas = alphas_cumprod.float().cpu().clamp(min=1e-12).log()
        self._guidance = 1.0
        self.x0: Tensor | None = None

    def watch(self, denoiser: nn.Module, guidance_scale: float) -> Any:
        """Hook `denoiser`; returns the hook's handle, to be removed afterwards."""
        self.x0 = None
        self._guidance = guidance_scale
        return denoiser.register_forward_hook(self._look, with_kwargs=True)

    def _look(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        sample = args[0] if args else kwargs["sample"]
        timestep = args[1] if len(args) > 1 else kwargs["timestep"]
        predicted = out[0] if isinstance(out, tuple) else out.sample
        # With guidance the batch is the unconditional half followed by the conditional one.
        half = len(predicted) // 2
        prediction = predicted[:1]
        if self._guidance > 1 and half:
            prediction = prediction + self._guidance * (predicted[half : half + 1] - prediction)
        alpha = self._alpha(timestep, sample.device)
        # Inpainting models take more channels than the latents have.
        latents = sample[:1, : prediction.shape[1]]
        self.x0 = self._estimate(latents.float(), prediction.float(), alpha)[0]

    def _alpha(self, timestep: Tensor | float, device: torch.device) -> Tensor:
        """Return the product of the alphas at a timestep, interpolated logarithmically between
        whole ones. It is computed on the device, since reading the timestep would wait for it."""
        logs = self._log_alphas = self._log_alphas.to(device, non_blocking=True)
        last = len(logs) - 1
        # 1 value, as indexing with a tensor without dimensions reads it.
        position = torch.as_tensor(timestep, device=device).float().reshape(-1)[:1].clamp(0, last)
        low = position.long()
        high = (low + 1).clamp(max=last)
        share = position - low
        return (logs[low] * (1 - share) + logs[high] * share).exp()

    def _estimate(self, sample: Tensor, prediction: Tensor, alpha: Tensor) -> Tensor:
        signal, noise = alpha.sqrt(), (1 - alpha).sqrt()
        if self._prediction_type == "v_prediction":
            return signal * sample - noise * prediction
        if self._prediction_type == "sample":
            return prediction
        return (sample - noise * prediction) / signal.clamp(min=1e-6)
