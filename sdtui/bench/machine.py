"""Describe the machine that a benchmark runs on."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil
import torch

from sdtui.bench.report import Machine
from sdtui.engine.device import Device


def describe_machine(device: Device) -> Machine:
    """Describe what matters for speed."""
    return Machine(
        device=str(device.torch),
        name=_gpu_name(device) or _cpu_name(),
        cores=psutil.cpu_count(logical=False) or 1,
        threads=torch.get_num_threads(),
        memory=device.memory().total,
        system=f"{platform.system()} {platform.machine()}",
    )


def _gpu_name(device: Device) -> str | None:
    if device.torch.type == "cuda":
        return torch.cuda.get_device_name(device.torch)
    return "Apple GPU" if device.torch.type == "mps" else None


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
