"""Starts the other processes of a training, and ends all when one has died."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from sdtui.core.errors import TrainingError
from sdtui.engine.device import choose_device
from sdtui.requests.training.events import TrainingFailed, event_of_line
from sdtui.requests.training.request import TRAINING_FIELDS, TrainingRequest
from sdtui.training.processes import Processes, join

_log = logging.getLogger(__name__)
GOES_ON = "`sdtui train resume` goes on with it"
_END_SECONDS = 10.0
"""That the others get to end by themselves, and this one to notice that one has died."""


def devices_for(request: TrainingRequest, setting: str) -> list[str]:
    """Return the devices of a training's processes, one each, for the setting `device`.

    A device with a number is one, so it gets one process: the LoRA is the same. Raises
    TrainingError if there are too few, or too few pictures in a batch, and SettingsError.
    """
    count = request.execution.num_processes
    if count > request.optimization.train_batch_size:
        raise TrainingError(
            f"{count} processes can't share a batch of {request.optimization.train_batch_size}",
            f"Add --batch {count}, or a multiple of it",
        )
    kind = choose_device(setting).torch.type
    if count == 1 or ":" in setting or kind == "mps":
        return [setting]
    if kind == "cpu":
        return [kind] * count
    found = torch.cuda.device_count()
    if found < count:
        raise TrainingError(
            f"{count} processes need as many GPUs, and there are {found}",
            f"Take --processes {max(found, 1)}",
        )
    return [f"cuda:{number}" for number in range(count)]


@contextmanager
def together(
    request: TrainingRequest, folder: Path, devices: list[str], on_death: Callable[[str], None]
) -> Iterator[Processes]:
    """Start the other processes of a training and wait for them at the end.

    `on_death` is called on another thread with a sentence if one dies while this one waits for it,
    and should end this process. Raises TrainingError if one has died otherwise.
    """
    if len(devices) == 1:
        yield Processes()
        return
    rendezvous = folder / "rendezvous"
    rendezvous.unlink(missing_ok=True)
    is_over = threading.Event()

    def report_death(peer: _Peer) -> None:
        if not is_over.wait(_END_SECONDS):
            on_death(peer.death)

    peers = [
        _Peer(request, folder, number, devices, rendezvous, report_death)
        for number in range(1, len(devices))
    ]
    try:
        processes = join(0, len(devices), torch.device(devices[0]), rendezvous)
        yield processes
        processes.leave()
    except RuntimeError as error:  # of the connection to one that has died
        dead = next((each for each in peers if each.has_died()), None)
        if dead is None:
            raise
        raise TrainingError(dead.death, GOES_ON) from error
    finally:
        is_over.set()
        for each in peers:
            each.end()
        rendezvous.unlink(missing_ok=True)


class _Peer:
    """Another process of a training."""

    def __init__(
        self,
        request: TrainingRequest,
        folder: Path,
        number: int,
        devices: list[str],
        rendezvous: Path,
        on_death: Callable[[_Peer], None],
    ) -> None:
        """`on_death` is called on another thread. Raises OSError if it can't be started."""
        self.death = ""
        """A sentence on how it has died."""
        self._name = f"process {number + 1} of the training"
        self._on_death = on_death
        task = {
            "request": TRAINING_FIELDS.values_of(request),
            **{"folder": folder, "rendezvous": rendezvous, "device": devices[number]},
            **{"number": number, "count": len(devices)},
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sdtui.training.peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdin is not None
        # It stays open: its end is that of this process, with which the other one has to end.
        self._process.stdin.write(f"{json.dumps(task, default=str)}\n")
        self._process.stdin.flush()

        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        assert self._process.stdout is not None
        failure = ""
        for line in self._process.stdout:
            event = event_of_line(line)
            if isinstance(event, TrainingFailed):
                failure = f": {event.error}"
        code = self._process.wait()
        if code:
            how = f" was killed by signal {-code}" if code < 0 else f" ended with code {code}"
            self.death = f"{self._name}{failure or how}"
            _log.error("%s", self.death)
            self._on_death(self)

    def has_died(self) -> bool:
        """True if it has ended as it shouldn't, or does so now."""
        deadline = time.monotonic() + _END_SECONDS
        while not self.death and self._watcher.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        return bool(self.death)

    def end(self) -> None:
        """Let it end, at once if it doesn't by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
