"""Whether OpenVINO computes a model's components."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from torch import nn

from sdtui.core.enums import DType, Runtime, Speed
from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.device import Device
from sdtui.engine.quantized.layers import is_quantized
from sdtui.models import ModelDescription
from sdtui.models.weights import component_bytes

INSTALL = "pip install 'sdtui[openvino]'"


def is_installed() -> bool:
    return find_spec("openvino") is not None


def choose_runtime(requested: Runtime, speed: Speed, device: Device) -> Runtime:
    """Return what computes: for AUTO, OpenVINO on a CPU with the presets that give something up for
    speed, if it is installed. Raises UnsupportedModelError if OpenVINO is asked for and can't be
    had."""
    if requested is Runtime.AUTO:
        is_faster = speed is not Speed.QUALITY and not device.is_accelerator and is_installed()
        return Runtime.OPENVINO if is_faster else Runtime.TORCH
    if requested is Runtime.OPENVINO:
        if device.is_accelerator:
            raise UnsupportedModelError(
                f"OpenVINO computes on a CPU here, and the device is {device.torch}",
                "Leave --runtime out, or use device = cpu",
            )
        if not is_installed():
            raise UnsupportedModelError("OpenVINO is not installed", f"Run: {INSTALL}")
    return requested


def copied_bytes(description: ModelDescription, dtype: DType) -> int:
    """Return the bytes of the weights that OpenVINO copies."""
    names = description.parameters.keys() & {"unet", "vae"}
    return sum(component_bytes(description, name, dtype) for name in names)


def why_not(pipeline: Any) -> str | None:
    """Return why OpenVINO can't compute a pipeline's denoiser; None if it can."""
    unet = getattr(pipeline, "unet", None)
    if type(unet).__name__ != "UNet2DConditionModel":
        return "only UNets of Stable Diffusion are converted"
    assert isinstance(unet, nn.Module)
    return "quantized weights stay in torch" if is_quantized(unet) else None
