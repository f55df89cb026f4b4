"""Choosing a device and its number format, measuring its memory, and freeing it."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from sdtui.core.enums import DType
from sdtui.core.errors import SettingsError
from sdtui.core.runtime import return_free_memory
from sdtui.engine.memory.oom import is_out_of_memory
from sdtui.models import automatic_dtype

TORCH_DTYPES = {
    DType.FLOAT32: torch.float32,
    DType.FLOAT16: torch.float16,
    DType.BFLOAT16: torch.bfloat16,
}


@dataclass(frozen=True)
class Memory:
    """A device's memory in bytes; on a CPU, the machine's."""

    free: int
    total: int
    used: int
    """By this process: allocated tensors on a GPU, resident memory on a CPU."""


@dataclass(frozen=True)
class Device:
    """A device to compute on."""

    torch: torch.device

    @property
    def is_accelerator(self) -> bool:
        """True if weights can be kept in main memory while they aren't needed on the device."""
        return self.torch.type != "cpu"

    @property
    def has_own_memory(self) -> bool:
        """True if the device doesn't share the main memory."""
        return self.torch.type == "cuda"

    def memory(self) -> Memory:
        """Return the current memory use."""
        if self.torch.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.torch)
            allocated = torch.cuda.memory_allocated(self.torch)
            # Reserved by the allocator, but not in use.
            return Memory(
                free + torch.cuda.memory_reserved(self.torch) - allocated, total, allocated
            )
        machine = psutil.virtual_memory()
        resident = psutil.Process().memory_info().rss
        if self.torch.type == "mps":
            total = torch.mps.recommended_max_memory()
            used = torch.mps.current_allocated_memory()
            unused = torch.mps.driver_allocated_memory() - used  # held by the allocator
            return Memory(min(total - used, machine.available + unused), total, used)
        return Memory(machine.available, machine.total, resident)

    def release(self) -> None:
        """Free memory that is no longer referenced. Call it outside every `except` block: the
        traceback keeps tensors alive."""
        gc.collect()
        return_free_memory()
        if self.torch.type == "cuda":
            torch.cuda.empty_cache()
        elif self.torch.type == "mps":
            torch.mps.empty_cache()

    def synchronize(self) -> None:
        """Wait until the device has finished all queued work."""
        if self.torch.type == "cuda":
            torch.cuda.synchronize(self.torch)
        elif self.torch.type == "mps":
            torch.mps.synchronize()

    def works(self) -> bool:
        """True if the device still computes. After an illegal access, a failed assertion in a
        kernel, or a memory error that can't be corrected, every call of this process to it
        fails."""
        if not self.is_accelerator:
            return True
        try:
            torch.ones(1, device=self.torch).add(1)
            self.synchronize()
        except RuntimeError as error:
            return is_out_of_memory(error)
        return True


def choose_device(requested: str = "auto") -> Device:
    """Return the device for a setting: "auto" (CUDA, then MPS, then the CPU), "cpu", "mps", "cuda"
    or "cuda:N". Call it on the thread that computes. Raises SettingsError if there is no such
    device."""
    if requested == "auto":
        if torch.cuda.is_available():
            return _cuda(0)
        if torch.backends.mps.is_available():
            return Device(torch.device("mps"))
        return Device(torch.device("cpu"))
    device = torch.device(requested)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        found = f"torch sees {count} CUDA devices" if count else "torch sees no CUDA device"
        raise SettingsError(f'device "{requested}" is not there: {found}', 'Run "sdtui doctor"')
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError('device "mps" is not there', "Use device = auto")
    return _cuda(device.index or 0) if device.type == "cuda" else Device(device)


def _cuda(index: int) -> Device:
    # The allocator's statistics can't be read or reset before ("did you call init?").
    torch.cuda.init()
    device = torch.device("cuda", index)
    # Libraries create streams and pinned memory on the thread's current device, and would occupy
    # another one.
    torch.cuda.set_device(device)
    return Device(device)


def choose_dtype(device: Device, requested: DType = DType.AUTO) -> DType:
    """Return the requested number format, or the device's default for AUTO."""
    if requested is not DType.AUTO:
        return requested
    return automatic_dtype(accelerator=device.is_accelerator)


def free_main_memory() -> int:
    """Return the bytes of main memory that are free, whatever the device."""
    return int(psutil.virtual_memory().available)


class PeakMeter:
    """Measures the highest memory use of this process on a device since `start`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._highest = 0

    def start(self) -> None:
        """Reset the peak."""
        self._highest = 0
        if self._device.torch.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device.torch)
        else:
            _reset_resident_peak()

    def now(self) -> int:
        """Return the bytes in use; quick enough for every step."""
        if self._device.torch.type == "cuda":
            return torch.cuda.memory_allocated(self._device.torch)
        used = self._device.memory().used
        self._highest = max(self._highest, used)
        return used

    def peak(self) -> int:
        """Return the peak since `start`, in bytes."""
        if self._device.torch.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device.torch)
        self.now()
        if self._device.torch.type == "cpu":
            self._highest = max(self._highest, _resident_peak())
        return self._highest


def _reset_resident_peak() -> None:
    # Linux, proc(5): writing 5 resets the peak resident set size. Without the permission to do so,
    # the peak is the highest sample that now() took.
    if os.access("/proc/self/clear_refs", os.W_OK):
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return


def _resident_peak() -> int:
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
