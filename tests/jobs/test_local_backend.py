"""The local backend: its queue on disk, its pictures, its downloads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import DownloadError, HistoryError
from sdtui.core.settings import Settings
from sdtui.history import read_record, sidecar_path
from sdtui.jobs import Backend, Job, JobPicture, JobState, Output
from sdtui.jobs.backends import models as local_models
from sdtui.jobs.backends.local import LocalBackend
from sdtui.jobs.queue_file import QueueFile
from sdtui.models.hub import OnBytes
from sdtui.requests.events import Downloaded, Downloading, Event, Failed, JobEvent
from sdtui.requests.request import GenerationRequest
from tests.support.scripted_generator import ScriptedGenerator

OpenBackend = Callable[[], LocalBackend]


@pytest.fixture
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture
def open_backend(tmp_path: Path, generator: ScriptedGenerator) -> Iterator[OpenBackend]:
    """Backends over the same folders, like those of successive processes."""
    opened: list[LocalBackend] = []

    def open_() -> LocalBackend:
        settings = Settings(pictures=tmp_path / "pictures")
        backend = LocalBackend(
            settings,
            queue_folder=tmp_path / "queue",
            index_file=tmp_path / "index.db",
            make_generator=lambda _: generator,
        )
        opened.append(backend)
        return backend

    (tmp_path / "queue").mkdir()
    yield open_
    generator.hold.clear()
    for backend in opened:
        assert backend.close(20)


def _submit(backend: Backend, prompt: str = "a cat", **values: Any) -> Job:
    return backend.jobs.submit(GenerationRequest(prompt=prompt, **values))


def _is_running(backend: Backend, job: Job) -> bool:
    return job.id in backend.jobs.running().values()


def test_pictures_are_found_by_their_job_and_by_their_entry(
    open_backend: OpenBackend, tmp_path: Path
) -> None:
    backend = open_backend()
    job = backend.jobs.wait(_submit(backend, num_images_per_prompt=2).id, timeout=20)
    first, second = (Path(path) for path in job.pictures)
    pictures = backend.pictures
    assert pictures.local_file(JobPicture(job.id, 1)) == second
    assert pictures.read(JobPicture(job.id, 0)) == first.read_bytes()
    assert pictures.local_file(pictures.get(first).id) == first
    for missing in (JobPicture(job.id, 2), JobPicture(job.id, -1), JobPicture("none", 0)):
        with pytest.raises(HistoryError):
            pictures.local_file(missing)

    second.unlink()
    assert pictures.local_file(JobPicture(job.id, 1)) is None
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    first.unlink()
    first.symlink_to(secret)
    assert pictures.local_file(JobPicture(job.id, 0)) is None
    with pytest.raises(HistoryError):
        pictures.read(JobPicture(job.id, 0))


def test_picture_of_a_job_with_its_own_output_is_found(
    open_backend: OpenBackend, tmp_path: Path
) -> None:
    backend = open_backend()
    file = tmp_path / "elsewhere" / "cat.png"
    file.parent.mkdir()
    job = backend.jobs.submit(GenerationRequest(prompt="a cat"), Output(file=file))
    backend.jobs.wait(job.id, timeout=20)
    assert backend.pictures.local_file(JobPicture(job.id, 0)) == file


def test_unfinished_jobs_wait_for_the_next_backend(
    open_backend: OpenBackend, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    before = open_backend()
    running, waiting, cancelled = (_submit(before, prompt) for prompt in ("one", "two", "three"))
    while not _is_running(before, running):
        pass
    before.jobs.cancel(cancelled.id)
    assert before.close(20)
    generator.hold.clear()

    after = open_backend()
    assert [job.id for job in after.orphaned_jobs()] == [running.id, waiting.id]
    after.adopt_orphaned_jobs(twice_lost=True)
    for job in (running, waiting):
        assert after.jobs.wait(job.id, timeout=20).state is JobState.DONE
    assert after.orphaned_jobs() == []


def _killed(backend: LocalBackend, queue: Path) -> None:
    """Leave the queue file of a backend as if its process had been killed."""
    backend.save_jobs()
    (lock,) = queue.glob("queue-*.lock")
    lock.unlink()


def test_job_that_two_dead_processes_had_begun_is_adopted_only_on_demand(
    open_backend: OpenBackend, generator: ScriptedGenerator, tmp_path: Path
) -> None:
    generator.hold.set()
    queue = tmp_path / "queue"
    dead = open_backend()
    running, waiting = _submit(dead, "one"), _submit(dead, "two")
    while not _is_running(dead, running):
        pass
    _killed(dead, queue)

    second = open_backend()
    second.jobs.pause()
    second.adopt_orphaned_jobs(twice_lost=False)
    assert [(job.id, job.losses) for job in second.jobs.jobs()] == [
        (running.id, 1),
        (waiting.id, 0),
    ]
    second.jobs.resume()
    while not _is_running(second, running):
        pass
    _killed(second, queue)

    third = open_backend()
    third.jobs.pause()
    adopted = third.adopt_orphaned_jobs(twice_lost=False)
    assert [(job.id, job.losses) for job in adopted] == [(running.id, 2), (waiting.id, 0)]
    assert [job.id for job in third.jobs.jobs()] == [waiting.id]
    _killed(third, queue)
    third.adopt_orphaned_jobs(twice_lost=True)


def test_pictures_that_a_killed_process_had_made_are_not_made_again(
    open_backend: OpenBackend, generator: ScriptedGenerator, tmp_path: Path
) -> None:
    """The queue on disk names neither the seed nor the pictures yet."""
    dead = open_backend()
    outputs = (None, Output(folder=tmp_path / "elsewhere"))
    for output in outputs:
        generator.hold_at_picture = 2
        request = GenerationRequest(prompt="cats", num_images_per_prompt=4)
        job = dead.jobs.submit(request, output)
        while len(dead.jobs.job(job.id).pictures) < 2:
            pass
        QueueFile(tmp_path / "queue").save_final([_as_written_at_its_start(job)])
        dead.jobs.cancel(job.id)
        before = dead.jobs.wait(job.id, timeout=20)
        generator.hold_at_picture = None

        after = open_backend()
        (left,) = after.orphaned_jobs()
        assert left.request.num_images_per_prompt == 2
        after.adopt_orphaned_jobs(twice_lost=False)
        made = after.jobs.wait(job.id, timeout=20)
        assert made.state is JobState.DONE
        places = [_place(path) for path in (*before.pictures, *made.pictures)]
        first = before.seed or 0
        assert places == [(index, first + index) for index in range(4)]


def _as_written_at_its_start(job: Job) -> Job:
    return job.model_copy(update={"state": JobState.RUNNING})


def _place(path: str) -> tuple[int, int | None]:
    """Return the index of a picture in its job, and its seed."""
    record = read_record(sidecar_path(Path(path)))
    assert record.job is not None
    return record.job.first + record.images[0].index, record.seed


def test_orphaned_jobs_can_be_forgotten(
    open_backend: OpenBackend, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    before = open_backend()
    _submit(before)
    assert before.close(20)
    after = open_backend()
    assert after.orphaned_jobs()
    after.forget_orphaned_jobs()
    assert after.orphaned_jobs() == []


def _download(backend: Backend) -> list[Event]:
    events: list[Event] = []
    over = threading.Event()

    def put(envelope: JobEvent) -> None:
        events.append(envelope.event)
        if not isinstance(envelope.event, Downloading):
            over.set()

    backend.models.download("owner/name", put)
    assert over.wait(20)
    return events


def test_download_reports_events_until_its_end(
    open_backend: OpenBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(_: str, on_bytes: OnBytes, __: Cancellation, **___: object) -> Path:
        on_bytes(1, 2, 0.5)
        return Path("folder")

    monkeypatch.setattr(local_models, "download_model", fetch)
    assert _download(open_backend()) == [
        Downloading(model="owner/name", done=1, total=2, speed=0.5),
        Downloaded(model="owner/name", path="folder"),
    ]

    def fail(*_: object, **__: object) -> None:
        raise DownloadError("no network", "Check it")

    monkeypatch.setattr(local_models, "download_model", fail)
    (failed,) = _download(open_backend())
    assert isinstance(failed, Failed)
    assert str(failed) == "no network. Check it."


def test_cancelled_download_ends_as_cancelled(
    open_backend: OpenBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    events: list[Event] = []

    def fetch(_: str, __: OnBytes, cancellation: Cancellation, **___: object) -> None:
        while True:
            cancellation.check()

    def put(envelope: JobEvent) -> None:
        events.append(envelope.event)
        over.set()

    monkeypatch.setattr(local_models, "download_model", fetch)
    models = open_backend().models
    models.cancel_download(models.download("owner/name", put))
    assert over.wait(20)
    assert [event.kind for event in events] == ["cancelled"]
    models.cancel_download("unknown")
