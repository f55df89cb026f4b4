"""What the server and its bridge to the cluster send each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from sdtui.jobs.generator import MakeGenerator
from sdtui.jobs.workers.files import Files, MachineFiles
from sdtui.jobs.workers.worker import Assignment


class Control(Enum):
    """The kinds of messages beside those of a worker."""

    DEVICES = auto()
    """All devices of the machines that have joined, when they have changed."""
    OPEN = auto()
    """Start a worker."""
    CLOSE = auto()
    """End a worker."""
    ENDED = auto()
    """A worker has ended; its payload says why, and is None if the bridge has."""


@dataclass(frozen=True)
class BridgeOptions:
    """How the bridge works."""

    address: str
    """HOST:PORT at which the machines reach the head."""
    key_file: Path


@dataclass(frozen=True)
class MachineReport:
    """What a machine says of itself."""

    version: str
    """Of sdtui."""
    files: Files
    memory: tuple[int | None, ...] = ()
    """Bytes of each GPU that its workers use."""


@dataclass(frozen=True)
class RemoteDevice:
    """A device of a machine."""

    name: str
    """For people: "gpu1 cuda:0"."""
    machine: str
    """Ray's id, another each time that the machine joins."""
    is_gpu: bool
    cpus: float
    """Cores for the worker's process."""
    files: MachineFiles
    memory: int | None = None


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker on another machine works. The rest is up to that machine's settings."""

    device: RemoteDevice
    previews: bool
    make_generator: MakeGenerator
    """Found by its name in its module."""


@dataclass(frozen=True)
class RemoteAssignment(Assignment):
    """An assignment with the files that its request names."""

    files: Mapping[Path, bytes] = field(default_factory=dict)
