"""Metrics for Prometheus. Labels contain no prompts and have few values."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sdtui import __version__
from sdtui.jobs import Hardware, Jobs, JobState
from sdtui.jobs.progress import JobProgress, apply_event
from sdtui.monitor import GpuSample
from sdtui.requests.events import FINAL_KINDS, FLEETING_KINDS, JobEvent
from sdtui.requests.record import Stage
from sdtui.server.training_metrics import TrainingMetrics

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_STEP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STAGE_SECONDS = (*_STEP_SECONDS, 120, 300, 600, 1800)
_REQUEST_SECONDS = (0.005, *_STAGE_SECONDS)
_REMEMBERED = 10_000
"""Jobs whose API is remembered."""
_OTHER_API = "other"
"""The API of jobs of attached apps and of an earlier run."""


def _utilisation(gpu: GpuSample) -> float | None:
    return None if gpu.utilisation is None else gpu.utilisation / 100


_OF_GPUS: Mapping[str, tuple[str, Callable[[GpuSample], float | None]]] = {
    "sdtui_vram_used_bytes": ("VRAM in use.", lambda gpu: gpu.memory_used),
    "sdtui_vram_total_bytes": ("VRAM of the card.", lambda gpu: gpu.memory_total),
    "sdtui_gpu_utilisation_ratio": ("Share of the time in which the GPU computes.", _utilisation),
    "sdtui_gpu_temperature_celsius": ("Temperature.", lambda gpu: gpu.temperature),
    "sdtui_gpu_power_watts": ("Electric power.", lambda gpu: gpu.power),
}


class Metrics:
    """The metrics of one server, from the events of the queue and from requests."""

    def __init__(self, jobs: Jobs, queue_limit: int, hardware: Hardware) -> None:
        # Without the times when counters were made, one for each of them and its labels.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._queue = jobs
        self._apis: dict[str, str] = {}
        """Of the newest jobs, by id."""
        self._open_jobs: dict[str, JobProgress] = {}
        self._queued: dict[str, float] = {}
        """When waiting jobs were queued, in monotonic seconds: the clock of events may jump."""
        ProcessCollector(registry=registry)
        about = Info("sdtui", "The program.", registry=registry)
        about.info({"version": __version__, "python": platform.python_version()})
        registry.register(_Gpus(hardware))
        registry.register(_Workers(jobs))
        self._requests = Histogram(
            "sdtui_http_request_seconds",
            "Requests and how long they took.",
            ("method", "route", "status"),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._jobs = Counter(
            "sdtui_jobs", "Jobs that are over, by how they ended.", ("state",), registry=registry
        )
        for kind in FINAL_KINDS:  # so that the first job is an increase from zero
            self._jobs.labels(kind)
        self._pictures = Counter(
            "sdtui_pictures",
            "Pictures made and saved, by the API of their job.",
            ("api", "model"),
            registry=registry,
        )
        self._steps = Counter("sdtui_steps", "Denoising steps.", registry=registry)
        self._step_seconds = Histogram(
            "sdtui_step_seconds", "One step.", buckets=_STEP_SECONDS, registry=registry
        )
        self._stages = Histogram(
            "sdtui_stage_seconds",
            "A job's time in a stage, all attempts together.",
            ("stage",),
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        self._wait = Histogram(
            "sdtui_queue_wait_seconds",
            "How long jobs waited in the queue.",
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._training = TrainingMetrics(registry)
        self._add_memory_and_loads()
        self._add_gauges(jobs, queue_limit)

    def _add_memory_and_loads(self) -> None:
        registry = self._registry
        self._retries = Counter(
            "sdtui_retries",
            "New attempts after memory ran out, by what was changed and the stage that failed.",
            ("rung", "stage"),
            registry=registry,
        )
        self._out_of_memory = Counter(
            "sdtui_out_of_memory", "How often memory ran out.", ("stage",), registry=registry
        )
        for stage in Stage:
            self._out_of_memory.labels(stage)
        self._loads = Counter("sdtui_model_loads", "Models read.", ("model",), registry=registry)
        self._load_seconds = Histogram(
            "sdtui_model_load_seconds",
            "Reading a model.",
            buckets=_STAGE_SECONDS,
            registry=registry,
        )

    def _add_gauges(self, jobs: Jobs, queue_limit: int) -> None:
        self._gauge("sdtui_queue_limit", "Jobs that may wait.").set(queue_limit)
        self._gauge("sdtui_queue_length", "Jobs that wait.").set_function(
            lambda: _count(jobs, JobState.QUEUED)
        )
        self._gauge("sdtui_jobs_running", "Jobs being carried out.").set_function(
            lambda: _count(jobs, JobState.RUNNING) + _count(jobs, JobState.CANCELLING)
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)

    def expose(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the pattern, not the path."""
        known = method if method in _METHODS else "other"  # clients may send any method
        self._requests.labels(known, route, str(status)).observe(seconds)

    def note_job(self, job_id: str, api: str) -> None:
        """Note over which API a job came."""
        self._apis[job_id] = api
        for old in list(self._apis)[:-_REMEMBERED]:
            del self._apis[old]

    def note_saved(self, job_id: str, count: int = 1) -> None:
        """Count pictures of a job that were saved."""
        api, model = self._apis.get(job_id, _OTHER_API), self._queue.job(job_id).request.model
        self._pictures.labels(api, model).inc(count)

    def put(self, envelope: JobEvent) -> None:
        """Count an event. Called by the queue, on any thread."""
        event = envelope.event
        if event.kind == "step":
            self._steps.inc()
            self._step_seconds.observe(event.seconds)
        self._training.put(envelope)
        if event.kind in FLEETING_KINDS:
            return
        progress = apply_event(self._open_jobs, envelope)
        match event.kind:
            case "queued":
                self._queued[envelope.job] = time.monotonic()
            case "started":
                self._note_wait(envelope.job)
            case "loaded":
                self._loads.labels(event.model).inc()
                self._load_seconds.observe(event.seconds)
            case "attempt":
                self._retries.labels(event.rung, event.stage).inc()
                self._out_of_memory.labels(event.stage).inc()
            case "saved":
                self.note_saved(envelope.job)
            case "finished" | "failed" | "cancelled":
                self._queued.pop(envelope.job, None)
                if event.kind == "failed" and event.error_type == "OutOfMemoryError":
                    self._out_of_memory.labels(event.stage).inc()
                if progress.queued_at is not None:  # not a preload
                    self._jobs.labels(event.kind).inc()
                    self._note_stages(progress)

    def _note_wait(self, job: str) -> None:
        if (queued := self._queued.pop(job, None)) is not None:
            self._wait.observe(time.monotonic() - queued)

    def _note_stages(self, progress: JobProgress) -> None:
        record = progress.final.record if progress.final else None
        for stage, seconds in (record.timings if record else {}).items():
            # A model that was in memory already wasn't loaded.
            if stage != Stage.LOAD or progress.loaded is not None:
                self._stages.labels(stage).observe(seconds)


class _Gpus(Collector):
    """Memory and load of every GPU in the latest sample of the monitor."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield metrics of what the drivers report."""
        sample = self._hardware.latest
        for name, (text, read) in _OF_GPUS.items():
            family = GaugeMetricFamily(name, text, labels=("gpu", "name"))
            for gpu in sample.gpus if sample else ():
                if (value := read(gpu)) is not None:
                    family.add_metric((str(gpu.index), gpu.name), value)
            yield family


class _Workers(Collector):
    """What each worker does."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        """Yield metrics of work, models and losses by worker."""
        running = GaugeMetricFamily(
            "sdtui_worker_running", "1 if the worker makes pictures.", labels=("worker",)
        )
        loaded = GaugeMetricFamily(
            "sdtui_worker_model", "1 for the model in memory.", labels=("worker", "model")
        )
        losses = CounterMetricFamily(
            "sdtui_worker_losses", "Processes that ended unexpectedly.", labels=("worker",)
        )
        away = GaugeMetricFamily(
            "sdtui_worker_away", "1 while its machine can't be reached.", labels=("worker",)
        )
        training = GaugeMetricFamily(
            "sdtui_worker_training", "1 while the worker trains a LoRA.", labels=("worker",)
        )
        for each in self._jobs.workers:
            training.add_metric((each.name,), bool(each.training))
            away.add_metric((each.name,), each.is_away)
            running.add_metric((each.name,), bool(each.job))
            losses.add_metric((each.name,), each.losses)
            if each.model.loaded is not None:
                loaded.add_metric((each.name, each.model.loaded.model), 1)
        yield from (running, training, loaded, losses, away)


def _count(jobs: Jobs, state: JobState) -> int:
    return sum(job.state is state for job in jobs.jobs())
