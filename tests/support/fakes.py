"""Backends for tests of interfaces: nothing works behind them, and no picture is a local file."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from sdtui.core.errors import ModelNotFoundError
from sdtui.core.settings import Settings
from sdtui.jobs import Job, JobState, Output
from sdtui.jobs.api import Connection, ConnectionStatus, Subscriber
from sdtui.jobs.backends.prompts import LocalPrompts
from sdtui.jobs.backends.trainings import LocalTrainings
from sdtui.jobs.model_api import DownloadSubscriber
from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.worker_status import WorkerStatus
from sdtui.models import (
    ControlNet,
    FoundFile,
    InstalledEmbedding,
    InstalledFile,
    InstalledLora,
    InstalledUpscaler,
    IPAdapter,
    Lora,
    ModelDescription,
    ModelSource,
    NativeValues,
    SourceKind,
    TokenCounter,
    VaeFile,
)
from sdtui.monitor import Sample
from sdtui.requests.events import Event, JobEvent, Queued, Started
from sdtui.requests.grids import Grid
from sdtui.requests.record import ImageRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution
from tests.support.fake_pictures import FakePictures
from tests.support.picture_store import PictureStore

SAMPLE = Sample(time=0.0, ram_used=1, ram_total=4, own_ram=1, cpu=0.0)


def envelope(job_id: str, event: Event, worker: str = "") -> JobEvent:
    """Return an event of a job."""
    return JobEvent(job=job_id, worker=worker, time=time.time(), event=event)


class FakeJobs:
    """Jobs that stay as they are until the test changes them."""

    def __init__(self) -> None:
        self.is_paused = False
        self.has_unsaved = False
        self.cancelled: list[str] = []
        self.preloads: list[str | None] = []
        self.executions: list[Execution] = []
        """Those that the models were loaded in advance for."""
        """Models that were to be loaded; None = unloaded."""
        self._jobs: list[Job] = []
        self._running: dict[str, str] = {}
        self._subscribers: list[Subscriber] = []

    def start(self, job_id: str, worker: str) -> None:
        """Let a worker begin a job."""
        self._running[worker] = job_id
        self.change(job_id, state=JobState.RUNNING)
        self.publish(job_id, Started(seed=1), worker)

    def change(self, job_id: str, **changes: object) -> None:
        """Change fields of a job."""
        self._jobs = [
            job.model_copy(update=changes) if job.id == job_id else job for job in self._jobs
        ]

    def publish(self, job_id: str, event: Event, worker: str = "") -> None:
        """Hand an event to the subscribers."""
        for subscriber in list(self._subscribers):
            subscriber(envelope(job_id, event, worker))

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        return tuple(WorkerStatus(name, job) for name, job in self._running.items())

    def jobs(self) -> list[Job]:
        return list(self._jobs)

    def job(self, job_id: str) -> Job:
        return {job.id: job for job in self._jobs}[job_id]

    def running(self) -> Mapping[str, str]:
        return dict(self._running)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        del timeout
        return self.job(job_id)

    def submit(
        self,
        request: GenerationRequest,
        output: Output | None = None,
        *,
        prompts: ResolvedPrompts | None = None,
        front: bool = False,
        job_id: str | None = None,
        client: str = "",
    ) -> Job:
        del prompts, client
        job = Job(id=job_id or f"job-{len(self._jobs)}", request=request, output=output or Output())
        self._jobs.insert(0 if front else len(self._jobs), job)
        self.publish(job.id, Queued(position=0))
        return job

    def submit_grid(
        self,
        grid: Grid,
        output: Output | None = None,
        *,
        prompts: Sequence[ResolvedPrompts] | None = None,
        client: str = "",
    ) -> list[Job]:
        del prompts, client
        return [self.submit(cell.request, output) for cell in grid.cells]

    def cancel_grid(self, grid_id: str) -> None:
        self.cancelled.append(grid_id)

    def sheets(self, grid_id: str, timeout: float | None = None) -> tuple[str, ...]:
        del grid_id, timeout
        return ()

    def check_capacity(self) -> None: ...

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        del after_picture
        self.cancelled.append(job_id)

    def move(self, job_id: str, position: int) -> None:
        job = self.job(job_id)
        self._jobs.remove(job)
        self._jobs.insert(position, job)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def save_again(self, job_id: str) -> list[str]:
        del job_id
        return []

    def unsaved(self, job_id: str) -> tuple[ImageRecord, ...]:
        del job_id
        return ()

    def load(
        self,
        model: str,
        execution: Execution = Execution(),  # noqa: B008  # frozen
    ) -> str:
        self.preloads.append(model)
        self.executions.append(execution)
        return f"preload-{len(self.preloads)}"

    def unload(self, workers: Sequence[str] = ()) -> str:
        self.preloads.append(None)
        return f"preload-{len(self.preloads)}"

    def finish(self, hanging: Collection[str] = ()) -> None: ...

    def close(self, timeout: float = 2.0) -> bool:
        del timeout
        return True


class FakeModels:
    """Models by name, none of which has a path on this machine that could be read."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.default = next(iter(names), "pocket")
        self.downloads: list[str] = []

    def installed(self) -> list[ModelSource]:
        return [self.find(name) for name in self.names]

    def find(self, name: str) -> ModelSource:
        if name not in self.names:
            raise ModelNotFoundError(f'there is no model "{name}"')
        return ModelSource(name, SourceKind.FOLDER, Path("/elsewhere") / name)

    def describe(self, source: ModelSource) -> ModelDescription | None:
        return ModelDescription(
            path=Path("/elsewhere") / source.name,
            family="sd1",
            pipeline_class="StableDiffusionPipeline",
            parameters={"unet": 1000},
            native=NativeValues(width=512, height=512),
        )

    def loras(self) -> list[InstalledLora]:
        return []

    def find_lora(self, name: str, *, allow_files: bool = False) -> Lora:
        raise ModelNotFoundError(f'there is no LoRA "{name}"')

    def with_local_loras(
        self,
        request: GenerationRequest,
        hashes: Mapping[str, str],
        *,
        allow_files: bool = False,
    ) -> tuple[GenerationRequest, list[str]]:
        del hashes, allow_files
        return request, []

    def controlnets(self) -> list[InstalledFile[ControlNet]]:
        return []

    def ip_adapters(self) -> list[InstalledFile[IPAdapter]]:
        return []

    def find_ip_adapter(self, name: str, *, allow_files: bool = False) -> IPAdapter:
        raise ModelNotFoundError(f'there is no IP-Adapter "{name}"')

    def find_controlnet(self, name: str, *, allow_files: bool = False) -> ControlNet:
        raise ModelNotFoundError(f'there is no ControlNet "{name}"')

    def upscalers(self) -> list[InstalledUpscaler]:
        return []

    def check_upscaler(self, name: str, *, allow_files: bool = False) -> None:
        raise ModelNotFoundError(f'there is no upscaler "{name}"')

    def vaes(self) -> list[FoundFile]:
        return []

    def find_vae(self, name: str, *, allow_files: bool = False) -> VaeFile:
        raise ModelNotFoundError(f'there is no VAE "{name}"')

    def embeddings(self) -> list[InstalledEmbedding]:
        return []

    def token_counters(self, source: ModelSource) -> Mapping[str, TokenCounter]:
        del source
        return {}

    def check_files(
        self, requests: Sequence[GenerationRequest], *, allow_files: bool = False
    ) -> None: ...

    def download(
        self,
        hub_id: str,
        subscriber: DownloadSubscriber,
        *,
        without_transformer: bool = False,
        without_weights: bool = False,
    ) -> str:
        del subscriber
        self.downloads.append(hub_id)
        return f"download-{len(self.downloads)}"

    def cancel_download(self, download_id: str) -> None: ...


class FakeHardware:
    """Always takes the same sample."""

    latest: Sample | None = SAMPLE

    def start(self, on_sample: Callable[[Sample], object] | None = None) -> None:
        if on_sample is not None:
            on_sample(SAMPLE)

    def stop(self) -> None: ...

    def sample(self) -> Sample:
        return SAMPLE

    def wait_for_sample(self, timeout: float) -> bool:
        del timeout
        return True


class FakeConnection:
    """A connection that changes when the test says so. Implements the protocol `Connection`."""

    name = "gpu1"
    shares_files = False

    def __init__(self) -> None:
        self.status = ConnectionStatus()
        self._subscribers: list[Callable[[ConnectionStatus], object]] = []

    def subscribe(self, on_change: Callable[[ConnectionStatus], object]) -> Callable[[], None]:
        self._subscribers.append(on_change)
        return lambda: self._subscribers.remove(on_change)

    def change(self, status: ConnectionStatus) -> None:
        """Replace the status, and tell the subscribers."""
        self.status = status
        for subscriber in self._subscribers:
            subscriber(status)


class FakeBackend:
    """A backend that is somewhere else."""

    connection: Connection | None = None
    keeps_running = False

    def __init__(self, *, models: Iterable[str] = ("pocket",), prompts: Iterable[str] = ()) -> None:
        self.jobs = FakeJobs()
        self.models = FakeModels(*models)
        self.prompts = LocalPrompts(Settings())
        self.pictures = FakePictures(*prompts)
        self.trainings = LocalTrainings(JobQueue(Settings(device="cpu"), PictureStore()).trainings)
        self.hardware = FakeHardware()
        self.saved = 0
        self.closed = False

    def save_jobs(self) -> None:
        self.saved += 1

    def orphaned_jobs(self) -> list[Job]:
        return []

    def adopt_orphaned_jobs(self, *, twice_lost: bool) -> list[Job]:
        del twice_lost
        return []

    def forget_orphaned_jobs(self) -> None: ...

    def close(self, timeout: float = 2.0) -> bool:
        del timeout
        self.closed = True
        return True
