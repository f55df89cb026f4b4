"""The readings of the monitor against nvidia-smi, and the diagnosis."""

from __future__ import annotations

import shutil
import subprocess
import time

from sdtui.core.settings import Settings
from sdtui.engine.diagnostics import diagnose
from sdtui.monitor import Monitor
from tests.gpu.context import GIB, MIB, Check, Context
from tests.gpu.rows import Reading

_FIELDS = (
    "memory.used",
    "utilization.gpu",
    "temperature.gpu",
    "power.draw",
    "memory.reserved",
)

_SETTLED = 2.0
"""Seconds after which utilisation and power, which are means of the last second, hardly change."""


_UNKNOWN = Reading(None, detail="nvidia-smi doesn't say it")


def checks() -> list[Check]:
    """Return rows for VRAM, temperature and power, and for the diagnosis."""
    return [
        Check("monitor / nvidia-smi", "VRAM", lambda _: _compared(0), needs_gpu=True),
        Check("monitor - nvidia-smi", "utilisation", lambda _: _apart(1, 30), needs_gpu=True),
        Check("monitor - nvidia-smi", "temperature", lambda _: _apart(2, 5), needs_gpu=True),
        Check("monitor - nvidia-smi", "power", lambda _: _apart(3, 60), needs_gpu=True),
        Check("doctor", "problems found", _problems),
    ]


def _own() -> tuple[float | None, ...]:
    time.sleep(_SETTLED)
    gpu = Monitor().sample().gpus[0]
    return gpu.memory_used / MIB, gpu.utilisation, gpu.temperature, gpu.power


def _theirs() -> tuple[float | None, ...]:
    """Return nvidia-smi's values: MiB, percent, degrees Celsius, watts; None for what it doesn't
    know."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return (None,) * len(_FIELDS)
    output = subprocess.run(
        [program, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    values = output.splitlines()[0].split(",")
    used, *others, reserved = (
        float(each) if each.strip()[:1].isdigit() else None for each in values
    )
    # What NVML counts as used includes what the driver reserves.
    return None if used is None else used + (reserved or 0), *others


def _compared(number: int) -> Reading:
    own, theirs = _own()[number], _theirs()[number]
    if theirs is None:
        return _UNKNOWN
    ratio = own / theirs if own is not None and theirs else None
    return Reading(ratio, least=0.95, most=1.05, detail=f"{own} and {theirs}")


def _apart(number: int, most: float) -> Reading:
    own, theirs = _own()[number], _theirs()[number]
    if theirs is None:
        return _UNKNOWN
    apart = abs(own - theirs) if own is not None else None
    return Reading(apart, most=most, detail=f"{own} and {theirs}")


def _problems(context: Context) -> Reading:
    diagnosis = diagnose(Settings(device=str(context.device.torch)))
    gpus = ", ".join(f"{gpu.name} {gpu.total / GIB:.0f} GiB" for gpu in diagnosis.gpus)
    detail = "; ".join([*diagnosis.problems, gpus or "no GPU"])
    return Reading(len(diagnosis.problems), most=0, detail=detail)
