"""The workers of the devices that the settings name."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sdtui.core.errors import SettingsError
from sdtui.core.settings import ALL_GPUS, ENVIRONMENT_PREFIX, Settings
from sdtui.jobs.generator import MakeGenerator
from sdtui.jobs.workers.local import LocalWorker
from sdtui.jobs.workers.worker import WorkerSlot
from sdtui.monitor import Monitor

_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class DeviceProcess:
    """How the process of a device is started."""

    name: str
    """Of the device: "cuda:1", "cpu 2"."""
    device: str
    """As the process calls it."""
    memory: int | None = None
    """Bytes; None if unknown."""
    environment: dict[str, str] = field(default_factory=dict)


def worker_slots(
    settings: Settings, make_generator: MakeGenerator, stall_seconds: float | None = None
) -> list[WorkerSlot]:
    """Return a worker for each device of the setting `gpus`, and none if there are fewer than two:
    then the queue's own does. A process that is silent for `stall_seconds` is replaced."""
    processes = list(device_processes(settings.gpus))
    if len(processes) < 2:
        return []
    if sys.platform == "win32":
        raise SettingsError("several devices can't be used on Windows", "Name one in `device`")
    # Late, since most people have one device.
    from sdtui.jobs.workers.child import ChildOptions
    from sdtui.jobs.workers.process import ProcessWorker

    is_mixed = len({each.memory for each in processes}) > 1
    return [
        WorkerSlot(
            each.name,
            ProcessWorker(
                each.name,
                ChildOptions(
                    replace(settings, device=each.device, gpus=()),
                    each.environment,
                    make_generator,
                ),
                stall_seconds=stall_seconds,
            ),
            each.memory if is_mixed else None,
            training_environment={
                **each.environment,
                **training_environment(replace(settings, device=each.device)),
            },
        )
        for each in processes
    ]


def own_slot(settings: Settings, make_generator: MakeGenerator) -> WorkerSlot:
    """Return a worker in this process, for the device of the settings."""
    return WorkerSlot(
        settings.device,
        LocalWorker(settings, make_generator),
        training_environment=training_environment(settings),
    )


def training_environment(settings: Settings) -> dict[str, str]:
    """Return the variables of a process that trains on the device of these settings, and saves
    samples in their folder."""
    return {
        f"{ENVIRONMENT_PREFIX}DEVICE": settings.device,
        f"{ENVIRONMENT_PREFIX}PICTURES": str(settings.pictures),
    }


def with_only_device(settings: Settings) -> Settings:
    """Return the settings with the device that `gpus` names, if it names one."""
    if len(settings.gpus) == 1 and settings.gpus[0] != ALL_GPUS:
        return replace(settings, device=settings.gpus[0])
    return settings


def device_processes(names: Sequence[str]) -> Iterator[DeviceProcess]:
    """Yield how the process of each device of the setting `gpus` is started. GPUs are numbered as
    this process sees them."""
    has_gpus = any(name != "cpu" for name in names)
    gpus = Monitor().sample().gpus if has_gpus else ()
    memory = {each.index: each.memory_total for each in gpus}
    visible = _visible(len(gpus))
    if tuple(names) == (ALL_GPUS,):
        names = [f"cuda:{number}" for number in range(len(visible))]
    cpus = [name for name in names if name == "cpu"]
    threads = max(1, len(usable_cores()) // max(1, len(cpus)))
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        shown = name if seen[name] == 1 else f"{name} {seen[name]}"
        if name == "cpu":
            yield DeviceProcess(shown, name, environment={"OMP_NUM_THREADS": str(threads)})
            continue
        number = int(name.removeprefix("cuda:"))
        gpu = visible[number] if number < len(visible) else str(number)
        index = int(gpu) if gpu.isdecimal() else number
        environment = {_VISIBLE: gpu, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        yield DeviceProcess(shown, "cuda", memory.get(index), environment)


def _visible(count: int) -> list[str]:
    """Return the GPUs that this process may use, as CUDA names them."""
    given = os.environ.get(_VISIBLE)
    if given is None:
        return [str(number) for number in range(count)]
    return [each.strip() for each in given.split(",") if each.strip()]


def usable_cores() -> Sequence[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)
