"""Diagnosis of torch and the devices, for `sdtui doctor`."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

import psutil
import torch

from sdtui.core.errors import SdtuiError
from sdtui.core.settings import Settings
from sdtui.engine.device import Device, choose_device, choose_dtype
from sdtui.engine.openvino.choice import is_installed
from sdtui.models import MemoryBudget, describe_model, find_model, model_fit


@dataclass(frozen=True)
class GPU:
    """One accelerator."""

    name: str
    total: int
    free: int
    """Bytes."""


@dataclass(frozen=True)
class Diagnosis:
    """What torch finds, and what sdtui would choose."""

    versions: dict[str, str]
    cuda: str | None
    gpus: tuple[GPU, ...]
    cores: int
    memory_free: int
    memory_total: int
    device: str
    dtype: str
    model: str
    memory_mode: str | None
    openvino: str | None
    """Its version; None if it isn't installed."""
    problems: tuple[str, ...]
    """Each says what is wrong and how to fix it."""


def diagnose(settings: Settings) -> Diagnosis:
    """Examine the machine with these settings. Errors are reported as problems, not raised."""
    problems: list[str] = []
    try:
        device = choose_device(settings.device)
    except SdtuiError as error:
        problems.append(str(error))
        device = choose_device("cpu")
    gpus = tuple(_gpus())
    if not gpus and device.torch.type == "cpu":
        built = torch.version.cuda
        if _nvidia_driver() and built is None:
            problems.append(
                "there is an NVIDIA driver, but this torch is built without CUDA. "
                "Install the CUDA build of torch."
            )
    memory_mode = None
    try:
        memory_mode = _memory_mode(settings, device)
    except SdtuiError as error:
        problems.append(str(error))
    machine = psutil.virtual_memory()
    libraries = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
    return Diagnosis(
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in libraries},
        },
        cuda=torch.version.cuda,
        gpus=gpus,
        cores=psutil.cpu_count(logical=False) or 1,
        memory_free=machine.available,
        memory_total=machine.total,
        device=str(device.torch),
        dtype=choose_dtype(device, settings.dtype),
        model=settings.model,
        memory_mode=memory_mode,
        openvino=version("openvino") if is_installed() else None,
        problems=tuple(problems),
    )


def _memory_mode(settings: Settings, device: Device) -> str | None:
    """Return the mode that the settings' model would run in, or None if it isn't downloaded."""
    source = find_model(settings.model, settings.model_folders)
    if source.path is None:
        return None
    memory = device.memory()
    budget = MemoryBudget(device.is_accelerator, memory.free, memory.total)
    dtype = choose_dtype(device, settings.dtype)
    return model_fit(
        describe_model(source.path, settings), budget, budget.free, dtype, settings.quantize
    ).mode


def _gpus() -> list[GPU]:
    if not torch.cuda.is_available():
        return []
    torch.cuda.init()
    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found.append(GPU(name=torch.cuda.get_device_name(index), total=total, free=free))
    return found


def _nvidia_driver() -> bool:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    pynvml.nvmlShutdown()
    return True
