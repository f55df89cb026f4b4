"""The latents that a pipeline gives its VAE to decode.

Pipelines differ in how they unpack and scale their latents. What the VAE gets is the same kind of
thing for all, and can be decoded as often as needed: in tiles, in parts, in another precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import torch


def call_until_decoding(pipeline: Any, arguments: Mapping[str, Any]) -> Any:
    """Call a pipeline and return the latents that its VAE is to decode; the result of the call if
    it doesn't come to that."""
    vae = pipeline.vae
    pipeline.vae = _DecodingEndsCall(vae)
    try:
        return pipeline(**arguments)
    except _LatentsReady as ready:
        return ready.latents
    finally:
        pipeline.vae = vae


class _LatentsReady(BaseException):
    """Ends the call of a pipeline. Not an Exception, so that no library handles it."""

    def __init__(self, latents: torch.Tensor) -> None:
        super().__init__()
        self.latents = latents


class _DecodingEndsCall:
    """Stands in for a VAE: the same in all but decoding."""

    def __init__(self, vae: Any) -> None:
        self._vae = vae

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vae, name)

    def decode(self, latents: torch.Tensor, *_: Any, **__: Any) -> NoReturn:
        raise _LatentsReady(latents)
