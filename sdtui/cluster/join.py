"""Lets the devices of this machine work for a server, and joins again when the line was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sdtui.cluster import machine, ray_node
from sdtui.core.errors import SettingsError
from sdtui.core.locks import try_hold
from sdtui.core.settings import ALL_GPUS, Settings
from sdtui.core.unix_sockets import own_folder
from sdtui.jobs.workers.devices import device_processes, usable_cores
from sdtui.monitor import Monitor

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
"""Seconds until this machine tries again to join."""
_WITHOUT_HEAD_SECONDS = "5"
"""Seconds without a head after which Ray ends on this machine."""
_LOOK_SECONDS = 0.5
_LAST_MESSAGES_SECONDS = 2.0
"""Time for a job or picture to arrive."""


def join(
    address: str, key_file: Path, settings: Settings, grace: float, say: Callable[[str], None]
) -> None:
    """Work for the server at `address` until SIGTERM or SIGINT; the pictures that are made then get
    `grace` seconds. Raises SettingsError."""
    host, port = ray_node.parse_address(address)
    ray_node.check_key(key_file)
    ip = ray_node.resolved(host)
    workers, gpus = _devices(settings)
    with (
        ExitStack() as held,
        ray_node.private_folder() as folder,
        _leaving_on_signals() as leaving,
    ):
        for gpu in gpus:
            held.enter_context(holding(gpu))
        others = {ray_node.FOLDER_VARIABLE: str(folder)}
        if gpus:
            others |= {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        # Another head knows nothing of this machine: it has to join anew.
        others["RAY_gcs_rpc_server_reconnect_timeout_s"] = _WITHOUT_HEAD_SECONDS
        variables = ray_node.environment(key_file, **others)
        arguments = ray_node.worker_arguments(
            f"{ip}:{port}",
            ray_node.own_address(ip),
            folder,
            workers=workers,
            gpus=len(gpus),
            cpus=len(usable_cores()),
        )
        say(f"devices that work for {address}: {workers}")
        pause = _FIRST_PAUSE
        while not leaving.is_set():
            began = time.monotonic()
            process = ray_node.start(arguments, variables, folder)
            try:
                _wait_for(process, leaving, folder)
                if leaving.is_set():
                    _finish_pictures(process, folder, grace)
            finally:
                ray_node.end(process)
            if not leaving.is_set():
                pause = _FIRST_PAUSE if time.monotonic() - began > 60 else pause * 2
                why = ray_node.problem(ray_node.log_text(folder), address, key_file)
                say(f"not joined: {why}; trying again")
                leaving.wait(min(pause, _LONGEST_PAUSE))


def _devices(settings: Settings) -> tuple[int, list[str]]:
    """Return how many workers this machine has, and its GPUs among them."""
    names = settings.gpus or ((ALL_GPUS,) if Monitor().sample().gpus else ("cpu",))
    processes = list(device_processes(names))
    gpus = [each.environment["CUDA_VISIBLE_DEVICES"] for each in processes if each.device != "cpu"]
    return len(processes), gpus


@contextmanager
def holding(gpu: str) -> Iterator[None]:
    """Keep other commands of this user from using a GPU too. Raises SettingsError if one does."""
    handle = try_hold(own_folder() / f"worker-{gpu}.lock")
    if handle is None:
        raise SettingsError(
            f"another sdtui worker uses the GPU {gpu}", "End it, or name others with --gpus"
        )
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def _leaving_on_signals() -> Iterator[threading.Event]:
    """Yield an event that is set by SIGTERM and SIGINT."""
    leaving = threading.Event()
    before = {}

    def leave(*_: Any) -> None:
        leaving.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        before[each] = signal.signal(each, leave)
    try:
        yield leaving
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _wait_for(process: subprocess.Popen[bytes], leaving: threading.Event, folder: Path) -> None:
    """Wait until Ray ends or this machine leaves. Raises SettingsError if the server doesn't want
    it."""
    while process.poll() is None and not leaving.wait(_LOOK_SECONDS):
        if refusal := machine.refusal(folder):
            raise SettingsError(refusal, "Install the same version")


def _finish_pictures(process: subprocess.Popen[bytes], folder: Path, grace: float) -> None:
    """Let the workers finish their pictures, while Ray runs."""
    machine.leave(folder)
    end = time.monotonic() + grace
    time.sleep(_LAST_MESSAGES_SECONDS)  # a job may be on its way
    while process.poll() is None and time.monotonic() < end:
        if not machine.is_busy(folder):
            time.sleep(_LAST_MESSAGES_SECONDS)
            return
        time.sleep(_LOOK_SECONDS)
