"""What a worker on another machine does with files, and when its machine leaves. Needs no Ray."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sdtui import __version__
from sdtui.cluster import machine
from sdtui.cluster.machine import RemoteWorkerProcess
from sdtui.cluster.messages import RemoteAssignment, RemoteDevice, WorkerOptions
from sdtui.cluster.ray_node import FOLDER_VARIABLE
from sdtui.core.errors import CancelledError
from sdtui.core.settings import Settings
from sdtui.jobs.job import Job
from sdtui.jobs.workers.child import Kind
from sdtui.jobs.workers.files import MachineFiles
from sdtui.jobs.workers.run import JobResult
from sdtui.jobs.workers.worker import UnsavedPicture
from sdtui.requests.request import GenerationRequest
from tests.support.scripted_generator import ScriptedGenerator

_DEVICE = RemoteDevice(
    "gpu1 cpu 1", "id", is_gpu=False, cpus=1, files=MachineFiles(frozenset(), 0.0)
)


class _Head:
    """The other end of a worker."""

    def __init__(self) -> None:
        self.generator = ScriptedGenerator()
        self.pictures: list[UnsavedPicture] = []
        options = WorkerOptions(_DEVICE, True, self._make)
        self.worker = RemoteWorkerProcess(options)
        self._messages = self.worker.messages()
        assert self.answer() is None

    def _make(self, settings: Settings) -> ScriptedGenerator:
        assert settings.device == "cpu"
        return self.generator

    def run(self, request: GenerationRequest, files: dict[Path, bytes]) -> JobResult:
        job = Job(id="1", request=request)
        self.worker.post((Kind.RUN, RemoteAssignment(job, files=files)))
        result = self.answer()
        assert isinstance(result, JobResult)
        return result

    def answer(self) -> object:
        for kind, payload in self._messages:
            if kind is Kind.PICTURE:
                self.pictures.append(payload)
                self.worker.post((Kind.SAVED, None))
            elif kind is Kind.DONE:
                return payload
            assert kind is not Kind.ERROR, payload
        raise AssertionError


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Head:
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0.002)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return _Head()


def test_pictures_come_with_the_request_and_keep_their_paths_in_records(
    head: _Head, tmp_path: Path
) -> None:
    there = tmp_path / "only at the server.png"
    request = GenerationRequest(prompt="cats", seed=1).changed(init_image=there)
    result = head.run(request, {there: b"a file"})
    used = head.generator.requests[0].input_images()["init_image"]
    assert used != there
    assert used.read_bytes() == b"a file"
    for record in (result.record, head.pictures[0].record):
        assert record.request is not None
        assert record.request.input_images()["init_image"] == there


def test_machine_that_leaves_finishes_its_picture_and_begins_no_other(
    head: _Head, tmp_path: Path
) -> None:
    head.generator.hold_at_picture = 1

    def leave() -> None:
        head.generator.is_held.wait()
        assert machine.is_busy(tmp_path)
        machine.leave(tmp_path)
        while any(each.name == "sdtui-leaving" for each in threading.enumerate()):
            time.sleep(0.002)
        head.generator.hold_at_picture = None

    threading.Thread(target=leave).start()
    request = GenerationRequest(prompt="cats", seed=1, num_images_per_prompt=4)
    assert isinstance(head.run(request, {}).error, CancelledError)
    assert [each.index for each in head.pictures] == [0, 1]
    assert not machine.is_busy(tmp_path)
    assert isinstance(head.run(request, {}).error, CancelledError)
    assert len(head.pictures) == 2


def test_machine_with_another_version_learns_that_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert machine.report(__version__).version == __version__
    assert machine.refusal(tmp_path) == ""
    machine.report("99.0")
    assert machine.refusal(tmp_path) == f"the server has sdtui 99.0, this is {__version__}"
