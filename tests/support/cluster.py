"""A server and machines that have joined it by Ray, all on this machine."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sdtui.cluster import ray_node
from sdtui.cluster.pool import ClusterPool
from sdtui.core.settings import Settings
from sdtui.jobs.backends.local import LocalBackend
from sdtui.jobs.generator import MakeGenerator, make_generator

cluster_marks = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None or not os.environ.get("SDTUI_TEST_CLUSTER"),
        reason="needs the extra cluster and SDTUI_TEST_CLUSTER",
    ),
]
_COMMAND = [sys.executable, "-c", "from sdtui.cli.main import main; main()"]


def free_address(host: str = "127.0.0.1") -> str:
    """Return an address with a free port."""
    with socket.socket() as free:
        free.bind((host, 0))
        return f"{host}:{free.getsockname()[1]}"


class Cluster:
    """A backend and the commands that have joined it."""

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        make_generator: MakeGenerator = make_generator,
        **settings: object,
    ) -> None:
        """`host` is the address at which machines reach the backend."""
        self.key_file = folder / "cluster.key"
        ray_node.make_key(self.key_file)
        self.address = free_address(host)
        chosen = Settings(pictures=folder / "pictures", **settings)  # type: ignore[arg-type]
        self.backend = LocalBackend(
            chosen,
            queue_folder=folder,
            index_file=folder / "index.db",
            make_generator=make_generator,
            pool=ClusterPool(self.address, self.key_file, make_generator=make_generator),
        )
        self.machines: dict[str, subprocess.Popen[bytes]] = {}
        """By the name of their only worker."""

    def join(
        self,
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        patience: float = 60,
    ) -> str:
        """Let a machine with one worker join, by a command with a prefix; return the worker's name
        when it is there."""
        before = {each.name for each in self.backend.jobs.workers}
        arguments = ["worker", "--join", self.address, "--key-file", str(self.key_file)]
        command = [*prefix, *_COMMAND, *arguments, "--gpus", "cpu"]
        process = subprocess.Popen(command)
        until(lambda: len(self.backend.jobs.workers) > len(before), patience)
        (name,) = {each.name for each in self.backend.jobs.workers} - before
        self.machines[name] = process
        return name

    def start_again(self, worker: str) -> None:
        """Start the command of a machine again that was killed."""
        killed = self.machines[worker]
        killed.wait()
        self.machines[worker] = subprocess.Popen(killed.args)

    def processes(self, worker: str, name: str = "") -> list[psutil.Process]:
        """Return the processes of a machine whose command begins so."""
        return processes(self.machines[worker].pid, name)

    def close(self) -> None:
        assert self.backend.close(20)
        for each in self.machines.values():
            each.terminate()
        for each in self.machines.values():
            each.wait(30)


def processes(parent: int, name: str = "") -> list[psutil.Process]:
    """Return the descendants of a process whose command has this name."""
    found = []
    for each in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if name in " ".join(each.cmdline()[:1]):
                found.append(each)
    return found


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
