"""The process between a server and its cluster: it is the head, and the only driver of Ray. Ends
with the server, and with Ray; the server replaces it then."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from sdtui import __version__
from sdtui.cluster import ray_node
from sdtui.cluster.machine import RemoteWorkerProcess, report
from sdtui.cluster.messages import (
    BridgeOptions,
    Control,
    MachineReport,
    RemoteDevice,
    WorkerOptions,
)
from sdtui.core import paths, runtime
from sdtui.jobs.workers.child import ignore_signals
from sdtui.jobs.workers.files import MachineFiles

_LOOK_SECONDS = 1.0
"""How often the machines are looked at."""
_REPORT_SECONDS = 20.0
"""How often a machine is asked for its files."""
_START_SECONDS = 60.0
"""Time for the head to start."""
_UNREAD = 32
"""Messages of a worker that may wait for the bridge."""

_log = logging.getLogger(__name__)


def main(file_descriptor: int) -> None:
    """Serve the server at the other end of a socket until it closes that or ends."""
    runtime.redirect_streams(paths.log_file())
    ignore_signals()
    logging.basicConfig(level=logging.INFO)
    connection = Connection(file_descriptor)
    options: BridgeOptions = connection.recv()
    # Without this Ray ends a process a minute after its head.
    variables = ray_node.environment(
        options.key_file, RAY_gcs_rpc_server_reconnect_timeout_s="86400"
    )
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.update(variables)
    host, port = ray_node.parse_address(options.address)
    host = ray_node.resolved(host)
    with ray_node.private_folder() as folder:
        head = ray_node.start(ray_node.head_arguments(host, port, folder), variables, folder)
        bridge = _Bridge(connection, head)
        threading.Thread(target=bridge.run, args=(host, port), daemon=True).start()
        try:
            bridge.ended.wait()
        finally:
            ray_node.end(head)
            _log.info("Ray's head has ended: %s", ray_node.log_text(folder)[-2000:])
    runtime.leave(0)


@dataclass
class _Machine:
    """A machine that has joined."""

    name: str
    answer: Any = None
    """Ray's reference to the report that it was asked for; None if it has answered."""
    asked_at: float = -math.inf
    """Monotonic seconds."""
    report: MachineReport | None = None
    """The last; None if the machine can't be used."""
    reported_at: float = -math.inf
    """When it was asked for that."""


class _Bridge:
    """Connects to Ray, reports devices, and passes messages between server and workers."""

    def __init__(self, connection: Connection, head: subprocess.Popen[bytes]) -> None:
        self._connection = connection
        self._head = head
        self._sending = threading.Lock()
        self._actors: dict[str, Any] = {}
        """By the name of the worker."""
        self._machines: dict[str, _Machine] = {}
        """Those that are there, by Ray's ids."""
        self._ray: Any = None
        self.ended = threading.Event()

    def run(self, host: str, port: int) -> None:
        """Connect, then look at the machines until the server or the head has ended."""
        threading.Thread(target=self._wait_for_head, daemon=True).start()
        threading.Thread(target=self._read, daemon=True).start()  # sees the end of the server
        try:
            self._connect(f"{host}:{port}", host)
            sent: tuple[RemoteDevice, ...] = ()
            while not self.ended.wait(_LOOK_SECONDS):
                devices = tuple(self._devices())
                if devices != sent:
                    self._send("", Control.DEVICES, devices)
                    sent = devices
        finally:
            self.ended.set()

    def _wait_for_head(self) -> None:
        self._head.wait()
        self.ended.set()

    def _connect(self, address: str, host: str) -> None:
        import ray

        self._ray = ray
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                # Never without an address: Ray joins any cluster of this machine then.
                ray.init(
                    address=address,
                    namespace="sdtui",
                    log_to_driver=False,
                    configure_logging=False,
                    _node_ip_address=host,
                )
            except (ConnectionError, RuntimeError) as error:
                if time.monotonic() > end or self.ended.is_set():
                    raise
                _log.info("Ray's head isn't there yet: %s", error)
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def _devices(self) -> Iterator[RemoteDevice]:
        nodes = {
            node["NodeID"]: node
            for node in self._ray.nodes()
            if node["Alive"] and ray_node.WORKERS in node["Resources"]
        }
        self._machines = {each: known for each, known in self._machines.items() if each in nodes}
        for machine, node in nodes.items():
            if machine not in self._machines:
                self._machines[machine] = _Machine(self._free_name(node["NodeManagerHostname"]))
            known = self._machines[machine]
            self._ask(machine, known)
            yield from _devices_of(machine, known, node)

    def _free_name(self, host: str) -> str:
        """Return the name of a machine, which one that joins anew has again."""
        names = itertools.chain([host], (f"{host}-{number}" for number in itertools.count(2)))
        used = {each.name for each in self._machines.values()}
        return next(name for name in names if name not in used)

    def _ask(self, machine: str, known: _Machine) -> None:
        """Ask a machine now and then what it has, without waiting for the answer."""
        if known.answer is not None:
            if self._ray.wait([known.answer], timeout=0)[0]:
                known.report, known.reported_at = self._received(known.answer), known.asked_at
                known.answer = None
        elif time.monotonic() - known.asked_at > _REPORT_SECONDS:
            task = self._ray.remote(num_cpus=0, max_retries=0)(report)
            options = task.options(scheduling_strategy=self._only_on(machine))
            known.answer, known.asked_at = options.remote(__version__), time.monotonic()

    def _received(self, answer: Any) -> MachineReport | None:
        try:
            received: MachineReport = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            _log.warning("a machine of the cluster can't be used: %s", error)
            return None
        if received.version != __version__:
            _log.warning("a machine has sdtui %s, this is %s", received.version, __version__)
            return None
        return received

    def _only_on(self, machine: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(machine, soft=False)

    def _read(self) -> None:
        """Receive the server's messages."""
        while not self.ended.is_set():
            try:
                worker, kind, payload = self._connection.recv()
            except (EOFError, OSError):
                self.ended.set()
                return
            if kind is Control.OPEN:
                self._open(worker, payload)
            elif kind is Control.CLOSE:
                self._close(worker)
            elif (actor := self._actors.get(worker)) is not None:
                actor.post.remote((kind, payload))

    def _send(self, worker: str, kind: object, payload: object) -> None:
        with self._sending:
            try:
                self._connection.send((worker, kind, payload))
            except OSError:
                self.ended.set()

    def _open(self, worker: str, options: WorkerOptions) -> None:
        device = options.device
        # Not detached: nothing of a server outlives it. What is lost is made again by the queue.
        actor_class = self._ray.remote(
            concurrency_groups={"in": 1, "out": 1}, max_restarts=0, max_task_retries=0
        )(_grouped(self._ray))
        actor = self._actors[worker] = actor_class.options(
            num_cpus=device.cpus,
            num_gpus=1 if device.is_gpu else 0,
            resources={ray_node.WORKERS: 1},
            scheduling_strategy=self._only_on(device.machine),
        ).remote(options)
        messages = actor.messages.options(_generator_backpressure_num_objects=_UNREAD).remote()
        threading.Thread(target=self._pass_on, args=(worker, messages), daemon=True).start()

    def _pass_on(self, worker: str, messages: Any) -> None:
        """Send the server what a worker sends, until it has ended."""
        try:
            for reference in messages:
                self._send(worker, *self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            why = f"has ended: {type(error).__name__}: {lines[0] if lines else ''}"
            self._send(worker, Control.ENDED, why[:300])
        self._close(worker)

    def _close(self, worker: str) -> None:
        # One that can't be reached holds its GPU until it is killed.
        if (actor := self._actors.pop(worker, None)) is not None:
            self._ray.kill(actor)


def _devices_of(machine: str, known: _Machine, node: Mapping[str, Any]) -> Iterator[RemoteDevice]:
    """Yield the devices of a machine that can be used. `node` is what Ray knows of it."""
    if (found := known.report) is None:
        return
    resources = node["Resources"]
    count = int(resources[ray_node.WORKERS])
    is_gpu = resources.get("GPU", 0) >= count
    for number in range(count):
        yield RemoteDevice(
            name=f"{known.name} cuda:{number}" if is_gpu else f"{known.name} cpu {number + 1}",
            machine=machine,
            is_gpu=is_gpu,
            cpus=max(1, resources.get("CPU", count) // count),
            files=MachineFiles(found.files, known.reported_at),
            memory=found.memory[number] if number < len(found.memory) else None,
        )


@functools.cache
def _grouped(ray: Any) -> type:
    """Return the class of a worker's actor: its methods are called beside each other."""

    class Actor(RemoteWorkerProcess):
        post = ray.method(concurrency_group="in")(RemoteWorkerProcess.post)
        messages = ray.method(concurrency_group="out")(RemoteWorkerProcess.messages)

    return Actor


if __name__ == "__main__":
    # As a module of its name, so that both ends have the same classes.
    from sdtui.cluster.bridge import main as run

    run(int(sys.argv[1]))
