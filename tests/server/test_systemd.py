"""What the service manager is told."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdtui.server.systemd import Notifier


@contextmanager
def _manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        yield manager


@pytest.mark.parametrize("is_abstract", [False, True])
def test_manager_gets_every_message(tmp_path: Path, is_abstract: bool) -> None:
    name = f"sdtui-test-{os.getpid()}"
    address = f"@{name}" if is_abstract else str(tmp_path / "notify")
    with _manager(f"\0{name}" if is_abstract else address) as manager:
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}
        notifier = Notifier.from_environment(environment)
        notifier.ready()
        notifier.status("pocket on cpu")
        notifier.status("pocket on cpu")
        notifier.is_alive()
        notifier.reloading()
        notifier.stopping(1.5)
        received = [manager.recv(200).decode() for _ in range(5)]
    assert notifier.watchdog_seconds == 3
    assert received[:3] == ["READY=1", "STATUS=pocket on cpu", "WATCHDOG=1"]
    assert received[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert received[4] == "STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000"


def test_nothing_is_sent_without_a_manager(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": f"{tmp_path}/gone"}):
        notifier = Notifier.from_environment(environment)
        notifier.ready()
        assert notifier.watchdog_seconds == math.inf


def test_watchdog_of_another_process_is_not_answered() -> None:
    environment = {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier.from_environment(environment).watchdog_seconds == math.inf
