"""The components of a loaded pipeline that OpenVINO computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from sdtui.engine.openvino.denoiser import Denoiser
from sdtui.engine.openvino.vae import Half
from sdtui.engine.speed.deepcache import DeepCache

Replacement = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Takes the original forward; returns the one that is called in its place."""
_HALVES = ("encoder", "decoder")


class OpenVino:
    """Replaces the forwards of a pipeline's UNet and of its VAE's halves. Text encoders take so
    little of a picture's time that they stay in torch."""

    def __init__(self, pipeline: Any, reuse: DeepCache | None) -> None:
        self._reasons: dict[str, None] = {}
        unet, vae = pipeline.unet, pipeline.vae
        self._parts: list[tuple[nn.Module, Denoiser | Half]] = [
            (unet, Denoiser(unet, reuse, self._note))
        ]
        for name in _HALVES:
            half = getattr(vae, name, None)
            if isinstance(half, nn.Module):
                self._parts.append((half, Half(half, name, self._note)))

    @property
    def replacements(self) -> list[tuple[nn.Module, Replacement]]:
        """The modules with what replaces their forwards."""
        return [(module, part.replaced) for module, part in self._parts]

    def begin(self, check: Callable[[], None]) -> None:
        """Called before each stage. `check` may raise to stop a computation."""
        for _, part in self._parts:
            part.component.begin(check)

    @property
    def copies(self) -> int:
        """Bytes of the weights that OpenVINO copies."""
        modules = (module for module, _ in self._parts)
        return sum(each.nbytes for module in modules for each in module.parameters())

    @property
    def notices(self) -> list[str]:
        """What torch has computed in its place so far, and why."""
        return [f"without OpenVINO: {reason}" for reason in self._reasons]

    def _note(self, reason: str) -> None:
        self._reasons[reason] = None
