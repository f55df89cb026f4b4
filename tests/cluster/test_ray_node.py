"""How Ray's processes are started: keys, folders and what is refused. Needs no Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from sdtui.cluster import ray_node
from sdtui.cluster.join import holding
from sdtui.core.errors import SettingsError


def test_key_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "config" / "cluster.key"
    ray_node.make_key(file)
    key = file.read_text()
    assert len(key) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    ray_node.make_key(file)
    assert file.read_text() == key


@pytest.mark.parametrize(("text", "mode"), [("key", 0o640), ("", 0o600), (None, 0)])
def test_key_that_is_public_empty_or_missing_is_refused(
    tmp_path: Path, text: str | None, mode: int
) -> None:
    file = tmp_path / "cluster.key"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    with pytest.raises(SettingsError):
        ray_node.check_key(file)


def test_no_other_cluster_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    variables = ray_node.environment(tmp_path / "key")
    assert "RAY_ADDRESS" not in variables
    assert variables["RAY_AUTH_MODE"] == "token"
    assert variables["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "key")
    assert variables["RAY_USAGE_STATS_ENABLED"] == "0"
    for arguments in (
        ray_node.head_arguments("10.0.0.1", 6399, tmp_path),
        ray_node.worker_arguments("10.0.0.1:6399", "10.0.0.2", tmp_path, workers=2, gpus=2, cpus=8),
    ):
        assert f"--temp-dir={tmp_path}" in arguments
        assert any(each.startswith("--node-ip-address=10.0.0.") for each in arguments)


def test_private_folder_is_for_its_user_alone_and_goes() -> None:
    with ray_node.private_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_uid == os.getuid()
        assert len(str(folder)) < 40, "Ray puts sockets into it"
    assert not folder.exists()


def test_missing_extra_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="needs ray") as error:
        ray_node.check_installed()
    assert "[cluster]" in error.value.hint


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:70000", "host:x"])
def test_wrong_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        ray_node.parse_address(text)


def test_address_of_another_machine_or_with_a_used_port_is_refused() -> None:
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        with pytest.raises(SettingsError, match="in use"):
            ray_node.check_can_listen("127.0.0.1", used.getsockname()[1])
    with pytest.raises(SettingsError, match=r"6399 can.t be used"):
        ray_node.check_can_listen("192.0.2.77", 6399)


_MISMATCH = """RuntimeError: Version mismatch: The cluster was started with:
    Ray: 2.60.0
    Python: 3.11.7
This process on 10.0.0.2:0 was started with:
    Ray: 2.61.0
    Python: 3.12.1
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("ray.exceptions.AuthenticationError: RPC error", "has another key than key"),
        (_MISMATCH, "Ray 2.60.0 and Python 3.11.7, this is Ray 2.61.0 with Python 3.12.1"),
    ],
)
def test_what_trying_again_cannot_mend_is_a_sentence(log: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        ray_node.problem(log, "10.0.0.1:6399", Path("key"))


def test_head_that_does_not_answer_is_tried_again() -> None:
    log = "rpc_client.h:204: Failed to connect to GCS within 5 seconds. The program will terminate"
    assert ray_node.problem(log, "gpu:1", Path("key")) == "gpu:1 doesn't answer"
    assert ray_node.problem("first\nlast", "gpu:1", Path("key")) == "Ray says: last"


def test_gpu_works_for_one_command_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdtui.cluster.join.own_folder", lambda: tmp_path)
    in_use = pytest.raises(SettingsError, match="uses the GPU 0")
    with holding("0"), holding("1"), in_use, holding("0"):
        pass
    with holding("0"):
        pass


def test_what_a_killed_process_has_left_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_node, "own_folder", lambda: tmp_path)
    gone = tmp_path / "ray4194305"  # above the largest process id
    gone.mkdir()
    command = ["sh", "-c", "sleep 60; true", f"--temp-dir={gone}"]
    with subprocess.Popen(command, start_new_session=True) as left, ray_node.private_folder():
        assert left.wait(20) == -signal.SIGKILL
    assert not gone.exists()
