"""Requests and records as lines to read: the form's labels, without what is off or default."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdtui.core.text import counted, visible
from sdtui.core.units import duration, step_rate
from sdtui.jobs.eta import computed_steps
from sdtui.jobs.event_text import cancelled_text, pass_text, stage_text
from sdtui.requests.grids import GridPlace
from sdtui.requests.record import AttemptRecord, GenerationRecord, ModelRecord, Stage
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.tui.labelled_line import LabelledLine

_SHOWN_APART = ("prompt", "negative_prompt", "width", "height", "model")
_HASH_CHARACTERS = 10
"""As A1111 shortens hashes."""
_SHORTEST = 0.05
"""Seconds; stages that took less are left out."""


def request_lines(values: Mapping[str, Any]) -> Iterator[LabelledLine]:
    """Yield the flat values of a request that are set and not the default: its prompts, model and
    size first, then the others in the order of the form. As in the window, "−" stands before the
    negative prompt."""
    yield LabelledLine("", visible(values["prompt"]))
    if negative := values["negative_prompt"]:
        yield LabelledLine("", visible(f"− {negative}"))
    yield LabelledLine("", "")
    if model := values["model"]:
        yield LabelledLine(field_label("model"), visible(model))
    width, height = values["width"], values["height"]
    if width or height:
        yield LabelledLine("Size", f"{width or 'auto'}×{height or 'auto'}")
    for name, field in REQUEST_FIELDS.items():
        value = values[name]
        if name not in _SHOWN_APART and value not in (None, "", (), field.default):
            yield LabelledLine(field_label(name), value_text(value))


def record_lines(record: GenerationRecord) -> Iterator[LabelledLine]:
    """Yield everything that a record says of a picture and that isn't off, empty or default."""
    yield from request_lines({**record.values(), "model": ""})
    if record.model is not None:
        yield LabelledLine(field_label("model"), _model(record.model))
        if record.model.completed_by is not None:
            others = [record.model.completed_by, *record.model.part_files.values()]
            yield LabelledLine("Completed by", visible(", ".join(others)))
    yield from template_lines(record)
    settings = record.settings
    if settings is not None and settings.speedups:
        yield LabelledLine("Speed-ups", ", ".join(settings.speedups))
    for image in record.images[:1]:
        for each in image.attachments:
            yield LabelledLine(each.name.replace("control", "Control map "), visible(each.file))
    if machine := _machine(record):
        yield LabelledLine("Machine", machine)
    if record.grid is not None:
        yield LabelledLine("Grid", _place(record.grid))
    yield LabelledLine("Made", f"{record.timestamp.astimezone():%Y-%m-%d %H:%M:%S}")
    if time := _time(record):
        yield LabelledLine("Time", time)
    yield from attempt_lines(record)
    for cut in record.truncations:
        yield LabelledLine("Cut off", visible(f"{field_label(cut.field)}: {cut.cut}"))
    for notice in record.notices:
        yield LabelledLine("Notice", visible(notice))


def template_lines(record: GenerationRecord) -> Iterator[LabelledLine]:
    """Yield the prompts as they were written, and their styles, if others were made of them."""
    for label, text in (
        ("Template", record.prompt_template),
        ("− template", record.negative_prompt_template),
        (field_label("styles"), ", ".join(record.request.templates.styles)),
    ):
        if text:
            yield LabelledLine(label, visible(text))


def attempt_lines(
    record: GenerationRecord, last_step: tuple[int, int] | None = None
) -> Iterator[LabelledLine]:
    """Yield what was tried, if more than one attempt was needed or the last one didn't succeed.
    `last_step` is the last denoising step and their number."""
    attempts = record.attempts
    if len(attempts) == 1 and attempts[0].error is None:
        return
    for attempt in attempts:
        is_last = attempt is attempts[-1]
        outcome = f"done, {duration(attempt.seconds)}"
        if record.cancelled and is_last:
            outcome = cancelled_text(attempt.seconds, attempt.stage, last_step)
        elif attempt.error is not None:
            outcome = f"{_failure(attempt, is_last=is_last)}, after {duration(attempt.seconds)}"
        way = attempt.changes or ("as requested" if len(attempts) > 1 else "")
        lossy = "" if attempt.lossless else " (changes the picture)"
        text = f"{way}{lossy}: {outcome}" if way else outcome
        yield LabelledLine(
            f"Attempt {attempt.number}" if len(attempts) > 1 else "Outcome", visible(text)
        )


def _failure(attempt: AttemptRecord, *, is_last: bool) -> str:
    stage = stage_text(attempt.stage) if attempt.stage else ""
    if where := pass_text(attempt.of_pass):
        stage = f"{stage}, {where}"
    if not is_last:  # only when memory runs out is there another attempt
        return f"out of memory while {stage}"
    return f"failed while {stage}: {(attempt.error or '').rstrip('.')}"


def field_label(name: str) -> str:
    """Return what a field is called in the form."""
    return REQUEST_FIELDS[name].spec.shown_label


def value_text(value: object) -> str:
    """Return a value that is set, as people read it."""
    if isinstance(value, float):
        return f"{value:g}"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return visible(text if isinstance(value, Path) else text.replace("_", " "))


def _place(place: GridPlace) -> str:
    """Return the place in a grid, and how the grid is found."""
    x, y, z = place.grid.size
    size = f"{x}×{y}×{z}" if z > 1 else f"{x}×{y}"
    parts = [f"sheet of {size}" if place.is_sheet else "", place.caption]
    return visible(" · ".join(filter(None, (*parts, f"grid:{place.grid.id}"))), keep="")


def _model(model: ModelRecord) -> str:
    parts = dict.fromkeys((model.name, model.family, (model.hash or "")[:_HASH_CHARACTERS]))
    return visible(" · ".join(part for part in parts if part))


def _machine(record: GenerationRecord) -> str:
    mode = record.memory_mode
    parts = [record.device, record.dtype or "", f"{mode} memory".replace("_", " ") if mode else ""]
    return " · ".join(part for part in parts if part)


def _time(record: GenerationRecord) -> str:
    """Return the seconds of a run, of its stages and of loading, and its speed."""
    parts = []
    if record.generation_time is not None:
        count = record.request.num_images_per_prompt
        several = f" for {counted(count, 'picture')}" if count > 1 else ""
        parts.append(f"{duration(record.generation_time)}{several}")
    for stage, seconds in record.timings.items():
        if stage != Stage.LOAD and seconds >= _SHORTEST:
            speed = _speed(record, seconds) if stage == Stage.DENOISE else ""
            parts.append(f"{stage_text(stage)} {duration(seconds)}{speed}")
    if loading := sum(record.load_timings.values()):
        parts.append(f"loading {duration(loading)}")
    return " · ".join(parts)


def _speed(record: GenerationRecord, seconds: float) -> str:
    """Return the denoising steps of a batch in a second; "" if they are unknown."""
    settings = record.settings
    if settings is None or not settings.num_inference_steps or not settings.batch_size:
        return ""
    steps = computed_steps(record.request, settings.num_inference_steps)
    batches = math.ceil(record.request.num_images_per_prompt / settings.batch_size)
    return f" at {step_rate(max(1, steps) * batches / seconds)}"


def as_json(record: GenerationRecord) -> str:
    """Return a record as indented JSON."""
    return json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False)
