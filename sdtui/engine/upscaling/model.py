"""An upscaler's model in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from sdtui.core.errors import BrokenPictureError, ModelDamagedError, UnsupportedModelError
from sdtui.core.text import one_line
from sdtui.engine.device import Device
from sdtui.engine.upscaling.memory import bytes_per_pixel
from sdtui.engine.upscaling.spandrel_import import import_spandrel

_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels of a model's pictures → their mode."""


@dataclass
class UpscalerModel:
    """The model of a file. Between pictures its weights are in main memory."""

    path: Path
    descriptor: Any
    """A spandrel.ImageModelDescriptor; spandrel may not be installed."""
    _bytes_per_pixel: dict[torch.dtype, float] = field(default_factory=dict)
    """By number format, once it is known."""

    @property
    def scale(self) -> int:
        """The factor by which the model enlarges a picture."""
        return int(self.descriptor.scale)

    @property
    def mode(self) -> str:
        """The mode of the pictures that the model takes and gives."""
        return _CHANNELS[self.descriptor.input_channels]

    @property
    def architecture(self) -> str:
        """The name of its architecture, as people know it."""
        return str(self.descriptor.architecture.name)

    @property
    def can_split(self) -> bool:
        """False if the model divides the picture by itself."""
        return bool(self.descriptor.tiling.name != "INTERNAL")

    @property
    def prefers_whole(self) -> bool:
        """True if tiles may be visible in its pictures."""
        return bool(self.descriptor.tiling.name != "SUPPORTED")

    @property
    def multiple(self) -> int:
        """Sides of tiles that aren't a multiple of this are padded."""
        return max(8, int(self.descriptor.size_requirements.multiple_of))

    def dtype_for(self, device: Device) -> torch.dtype:
        """Return the number format that the model is run in on a device."""
        if not device.is_accelerator:
            return torch.float32
        if self.descriptor.supports_half:
            return torch.float16
        return torch.bfloat16 if self.descriptor.supports_bfloat16 else torch.float32

    @property
    def weight_bytes(self) -> int:
        """The bytes of the weights, as they are now."""
        return sum(each.nbytes for each in self.descriptor.model.parameters())

    def bytes_per_pixel(self) -> float:
        """Return the bytes that a pixel of a tile needs in the model's present number format."""
        dtype = self.descriptor.dtype
        if dtype not in self._bytes_per_pixel:
            self._bytes_per_pixel[dtype] = bytes_per_pixel(self.descriptor, dtype)
        return self._bytes_per_pixel[dtype]

    @contextmanager
    def on_device(self, device: Device) -> Iterator[None]:
        """Move the weights to a device for the duration of the context."""
        model = self.descriptor.model
        try:
            model.to(device=device.torch, dtype=self.dtype_for(device))
            yield
        finally:
            if device.is_accelerator:
                model.to(device="cpu")

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Enlarge a tile, h x w x C, to values from 0 to 255; in float32 if it doesn't work in the
        model's own precision.

        Raises BrokenPictureError, and the errors of torch.
        """
        result = self._apply(pixels)
        if result is None:
            self.descriptor.model.to(dtype=torch.float32)
            result = self._apply(pixels)
        if result is None:
            raise BrokenPictureError(
                f"{self.path.name} gives NaN for this picture",
                "Use another upscaler",
                stage="prepare",
            )
        return result

    def _apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return None if the result contains NaN."""
        descriptor = self.descriptor
        values = torch.from_numpy(np.array(pixels)).to(descriptor.device)
        image = values.permute(2, 0, 1)[None].to(descriptor.dtype).div_(255)
        result: torch.Tensor = descriptor(image)[0]
        if not bool(torch.isfinite(result).all()):
            return None
        shown: NDArray[np.float32] = (result.permute(1, 2, 0).float() * 255).cpu().numpy()
        return shown


def load_upscaler(path: Path) -> UpscalerModel:
    """Load the model of a file into main memory.

    Raises ModelDamagedError for a file that can't be read, and UnsupportedModelError for one of an
    unknown architecture or for something else than enlarging.
    """
    spandrel = import_spandrel()
    try:
        weights = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelDamagedError(
            f"{path} can't be read: {one_line(str(error))}", "Download or copy it again"
        ) from error
    try:
        descriptor = spandrel.ModelLoader("cpu").load_from_state_dict(weights)
    except spandrel.UnsupportedModelError as error:
        raise _unusable(path, "its architecture is unknown") from error
    # What detection by names and shapes makes of weights that only look like an architecture.
    except (RuntimeError, KeyError, ValueError, IndexError, AssertionError, TypeError) as error:
        raise _unusable(path, "its weights fit no known architecture") from error
    if getattr(descriptor, "purpose", "") not in ("SR", "Restoration"):
        raise _unusable(path, f"{descriptor.architecture.name} doesn't enlarge pictures")
    channels = (descriptor.input_channels, descriptor.output_channels)
    if channels[0] != channels[1] or channels[0] not in _CHANNELS:
        raise _unusable(path, f"it makes {channels[1]} channels of {channels[0]}")
    descriptor.model.eval().requires_grad_(False)
    return UpscalerModel(path, descriptor)


def _unusable(path: Path, problem: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"{path} can't be used as an upscaler: {problem}", "Name another")
