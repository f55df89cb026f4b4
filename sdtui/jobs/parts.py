"""The parts of a job: pictures with the same prompts are made in one run, and to users all runs of
a job are one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sdtui.core.enums import DynamicPrompts
from sdtui.jobs.job import Job
from sdtui.requests.events import Event, Preview, Step
from sdtui.requests.record import GenerationRecord, ImageRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.templates import Templates

_AS_WRITTEN = Templates(dynamic_prompts=DynamicPrompts.OFF)


@dataclass(frozen=True)
class JobPart:
    """Consecutive pictures of a job that have the same prompts."""

    request: GenerationRequest
    """With these prompts, and nothing left to be worked out."""
    first: int = 0
    """Index of the first picture in the job."""
    later: int = 0
    """How many pictures come after these."""

    def placed(self, event: Event) -> Event:
        """Return an event of this part's run as one of the whole job."""
        if self.first == self.later == 0:  # the part is the whole job
            return event
        match event:
            case Step():
                seconds = event.total / (event.it_per_second * event.batch_size)
                return event.model_copy(
                    update={
                        "first_image": self.first + event.first_image,
                        "remaining": event.remaining + self.later * seconds,
                    }
                )
            case Preview():
                return event.model_copy(update={"image_index": self.first + event.image_index})
        return event

    def placed_record(self, record: GenerationRecord) -> GenerationRecord:
        """Return the record of this part's run with the job's indexes, and with the prompts of each
        picture."""
        images = tuple(
            image.model_copy(
                update={
                    "index": self.first + image.index,
                    "prompt": record.prompt,
                    "negative_prompt": record.negative_prompt,
                }
            )
            for image in record.images
        )
        return record.model_copy(update={"images": images})


def parts_of(job: Job, done: int = 0) -> list[JobPart]:
    """Return the parts of a job whose request has its seed, without its first `done` pictures."""
    request = job.request
    if not job.prompts:
        return [JobPart(request.without_first(done), done)]
    parts = []
    places_left = range(done, len(job.prompts))
    for prompts, places in itertools.groupby(places_left, job.prompts.__getitem__):
        indexes = list(places)
        part = replace(
            request.without_first(indexes[0]),
            prompt=prompts.prompt,
            negative_prompt=prompts.negative_prompt,
            templates=_AS_WRITTEN,
            num_images_per_prompt=len(indexes),
        )
        parts.append(JobPart(part, indexes[0], len(job.prompts) - indexes[-1] - 1))
    return parts


def joined(
    records: Sequence[GenerationRecord], request: GenerationRequest, notices: Sequence[str]
) -> GenerationRecord:
    """Return the record of a job from those of its parts up to now; the last may be unfinished.
    `request` is the job's, and `notices` are those about its prompts."""
    first, last = records[0], records[-1]
    images: list[ImageRecord] = [image for each in records for image in each.images]
    tried = [each for each in records if len(each.attempts) > 1 or not each.success]
    memory = max(
        (each.memory for each in records if each.memory is not None),
        key=lambda memory: memory.peak or 0,
        default=None,
    )
    return last.model_copy(
        update={
            "prompt": images[0].prompt if images else first.prompt,
            "negative_prompt": images[0].negative_prompt if images else first.negative_prompt,
            "timestamp": first.timestamp,
            "seed": request.seed,
            "request": request,
            "generation_time": sum(each.generation_time or 0.0 for each in records),
            "attempts": tuple(each for record in tried or [first] for each in record.attempts),
            "timings": _summed(each.timings for each in records),
            "load_timings": _summed(each.load_timings for each in records),
            "memory": memory,
            "truncations": tuple(dict.fromkeys(t for each in records for t in each.truncations)),
            "notices": tuple(
                dict.fromkeys([*notices, *(n for each in records for n in each.notices)])
            ),
            "parents": tuple(dict.fromkeys(p for each in records for p in each.parents)),
            "images": tuple(images),
        }
    )


def _summed(timings: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for each in timings:
        for name, seconds in each.items():
            total[name] = total.get(name, 0.0) + seconds
    return total
