"""How long jobs will take, from the measured times of earlier ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sdtui.core.errors import SdtuiError
from sdtui.jobs.job import Job
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import Step
from sdtui.requests.record import GenerationRecord, Stage
from sdtui.requests.request import SIZE_MULTIPLE, GenerationRequest

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs.picture_api import Pictures

_EARLIER_PICTURES = 100
"""How many of the newest pictures are looked at for times of earlier sessions."""
_OWN_VALUES = ("width", "height", "num_inference_steps")
"""What a request may leave to the model, and its time depends on."""


_OTHER_STAGES = (Stage.ENCODE, Stage.PREPARE, Stage.DECODE, Stage.UPSCALE)
"""Those of every run besides denoising."""


class _Work(NamedTuple):
    """What making a picture takes."""

    model: str
    width: int
    height: int
    steps: float
    """Denoising steps that are computed, in steps of the first pass: fewer than requested if there
    is an init image, and more with hires."""


_Kind = tuple[object, ...]
"""What the time of a request depends on."""


def _kind_of(request: GenerationRequest) -> _Kind:
    return (
        request.model,
        *(getattr(request, name) for name in _OWN_VALUES),
        request.num_images_per_prompt,
        request.image_to_image,
        request.hires,
        request.upscale.image,
    )


class _Measured(NamedTuple):
    """Seconds for one picture."""

    step: float
    rest: float
    """Everything but denoising, without loading the model."""


@dataclass(frozen=True, eq=False)
class RemainingTimes(Mapping[str, float | None]):
    """Seconds by the id of a job."""

    kinds: Mapping[str, _Kind]
    """Of all jobs, by id."""
    counts: Mapping[_Kind, int]
    by_kind: Mapping[_Kind, float | None]
    """Of jobs that wait."""
    own: Mapping[str, float | None]
    """Of jobs that run, by id."""

    def __getitem__(self, job_id: str) -> float | None:
        kind = self.kinds[job_id]
        return self.own[job_id] if job_id in self.own else self.by_kind[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def total(self) -> float | None:
        """The sum of all; None if one is unknown."""
        waiting = Counter(self.counts)
        waiting.subtract(self.kinds[job_id] for job_id in self.own)
        parts = list(self.own.values())
        for kind, count in waiting.items():
            seconds = self.by_kind[kind]
            parts += [] if not count else [None if seconds is None else count * seconds]
        return total_time(parts)


class TimeEstimator:
    """Estimates the time of requests from earlier runs with the same model and size."""

    def __init__(self) -> None:
        self._measured: dict[tuple[str, int, int], _Measured] = {}
        """By model, width and height."""
        self._own_values: dict[str, dict[str, int]] = {}
        """By model, as far as its runs show them."""
        self._jobs: list[Job] = []
        """Those of the last estimate."""
        self._requests: dict[str, GenerationRequest] = {}
        """Of the unfinished ones, by id."""
        self._kinds: dict[str, _Kind] = {}
        self._counts: Mapping[_Kind, int] = {}
        self._examples: dict[_Kind, str] = {}
        """A job of each kind."""

    def learn(self, record: GenerationRecord) -> None:
        """Learn from a run. Later ones count more. One that had to change the picture's size or
        steps, or wasn't finished, shows nothing."""
        settings, request = record.settings, record.request
        if settings is None or not (record.success and all(a.lossless for a in record.attempts)):
            return
        for name in _OWN_VALUES:
            value = getattr(settings, name)
            if getattr(request, name) is None and value is not None:
                self._own_values.setdefault(request.model, {})[name] = value
        work, denoising = self._work(request), record.timings.get(Stage.DENOISE)
        if work is not None and denoising:
            others = (record.timings.get(stage, 0.0) for stage in _OTHER_STAGES)
            count = request.num_images_per_prompt
            self._measured[work[:3]] = _Measured(
                denoising / count / max(1, work.steps), sum(others) / count
            )

    def _learn_step(self, request: GenerationRequest, step: Step) -> None:
        """Learn from a step of a running job."""
        if step.of_pass is not None and step.of_pass.number > 1:
            return  # its pictures have another size
        is_plain = request.image_to_image is None and request.hires is None
        if request.num_inference_steps is None and is_plain:
            own = self._own_values.setdefault(request.model, {})
            own["num_inference_steps"] = step.total
        work = self._work(request)
        before = self._measured_like(request)
        if work is not None:
            seconds = 1 / (step.it_per_second * step.batch_size)
            self._measured[work[:3]] = _Measured(seconds, before.rest if before else 0.0)

    def _work(self, request: GenerationRequest) -> _Work | None:
        """Return the work of one of a request's pictures; None if it depends on the model's own
        values and these are unknown."""
        if request.upscale.image is not None:
            return None
        own = self._own_values.get(request.model, {})
        width, height, steps = (getattr(request, name) or own.get(name) for name in _OWN_VALUES)
        if width is None or height is None or steps is None:
            return None
        work = float(_steps_of_first_pass(request, steps))
        if request.hires is not None:
            finished = request.hires.enlarged(width, height, SIZE_MULTIPLE).size
            share = math.prod(finished) / (width * height)
            work += share * (request.hires.steps or steps)
        return _Work(request.model, width, height, work)

    def _measured_like(self, request: GenerationRequest) -> _Measured | None:
        work = self._work(request)
        return None if work is None else self._measured.get(work[:3])

    def remaining_times(
        self, jobs: Sequence[Job], running: Mapping[str, JobProgress]
    ) -> RemainingTimes:
        """Return the seconds that each unfinished job will still take, by id; None for one like
        none that was measured. Learns from the running jobs.

        Jobs of a kind are estimated once, and their kinds are remembered: ten thousand may wait.
        """
        if jobs != self._jobs:  # quick if nearly all are the same objects
            self._jobs = list(jobs)
            requests = {job.id: job.request for job in jobs if not job.state.is_over}
            self._kinds = {each: self._kind(each, request) for each, request in requests.items()}
            self._requests = requests
            self._counts = Counter(self._kinds.values())
            self._examples = {self._kinds[each]: each for each in requests}
        begun = {each: running[each] for each in running if each in self._requests}
        for job_id, progress in begun.items():
            if progress.step is not None:
                self._learn_step(self._requests[job_id], progress.step)
        by_kind = {
            kind: self._remaining(self._requests[job_id], None)
            for kind, job_id in self._examples.items()
        }
        own = {each: self._remaining(self._requests[each], begun[each]) for each in begun}
        return RemainingTimes(self._kinds, self._counts, by_kind, own)

    def _kind(self, job_id: str, request: GenerationRequest) -> _Kind:
        is_known = self._requests.get(job_id) is request
        return self._kinds[job_id] if is_known else _kind_of(request)

    def _remaining(self, request: GenerationRequest, progress: JobProgress | None) -> float | None:
        """Return the seconds that a job will still take; `progress` is None if it waits."""
        work, measured = self._work(request), self._measured_like(request)
        count = request.num_images_per_prompt
        if progress is not None and progress.step is not None:
            rest = measured.rest if measured else 0.0
            return progress.step.remaining + (count - len(progress.saved)) * rest
        if work is None or measured is None:
            return None
        return count * (work.steps * measured.step + measured.rest)


def computed_steps(request: GenerationRequest, steps: int) -> int:
    """Return how many denoising steps are computed: from an init image on, only the share that its
    strength says, and those of hires. `steps` is the number of a pass."""
    of_hires = 0 if request.hires is None else request.hires.steps or steps
    return _steps_of_first_pass(request, steps) + of_hires


def _steps_of_first_pass(request: GenerationRequest, steps: int) -> int:
    return steps if request.image_to_image is None else int(steps * request.strength)


def total_time(times: Iterable[float | None]) -> float | None:
    """Return the sum of times in seconds; None if one of them is unknown."""
    total = 0.0
    for seconds in times:
        if seconds is None:
            return None
        total += seconds
    return total


def earlier_runs(pictures: Pictures) -> list[GenerationRecord]:
    """Return the records of the newest saved pictures, one for each model and size, oldest first.
    Reads the disk; what can't be read is left out."""
    newest: dict[tuple[str, int, int], Entry] = {}
    for entry in pictures.entries(limit=_EARLIER_PICTURES).entries:
        newest.setdefault((entry.model, entry.width, entry.height), entry)
    records = []
    for entry in reversed(newest.values()):
        with suppress(SdtuiError):
            records.append(pictures.record(entry))
    return records
