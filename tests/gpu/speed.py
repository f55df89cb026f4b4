"""Speed against plain diffusers, pair by pair, and of what the engine offers to be faster."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

from sdtui.bench.contenders import EngineContender, PlainDiffusers
from sdtui.bench.measure import picture_difference
from sdtui.bench.plan import Cell
from sdtui.core.enums import DType, Speed
from sdtui.core.settings import Settings
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading

ENGINE_MOST = 1.01
"""Time of the engine without previews, as a share of diffusers'."""
PREVIEWS_MOST = 1.02
"""Time of the engine with previews, as a share of diffusers'."""
MAX_MOST = 0.87
"""Time with the preset `max`, as a share of `quality`: 1.15 times as fast."""

PUBLISHED = {
    "sd1": "published, fp16: 3090 22.8, 4090 41.9, A100 23.1 to 35.6, H100 54.5",
    "sdxl": "published, fp16: 4090 8.2, A100 9.9, H100 14.9",
}
"""it/s of diffusers: its documentation of torch 2.0, and the README of stable-fast (H100)."""

_PAIRS = {"sd1": 5, "sdxl": 3}
"""Timed pairs of each model. Those of SDXL take seconds, and its weights are loaded twice."""


def checks() -> list[Check]:
    """Return rows for the ratio to diffusers, steps a second, presets, and batch sizes."""
    rows = []
    for family in ("sd1", "sdxl"):
        rows += [
            Check("time / diffusers", f"{family} without previews", partial(_ratio, family, False)),
            Check("time / diffusers", f"{family} with previews", partial(_ratio, family, True)),
            Check("it/s", family, partial(_steps_a_second, family)),
        ]
    rows += [
        Check("time / quality", f"{family} {speed}", partial(_preset, family, speed), needs_gpu=gpu)
        for family, speed, gpu in (
            ("sd1", Speed.FAST, False),
            ("sd1", Speed.MAX, True),
            ("sdxl", Speed.MAX, True),
        )
    ]
    rows += [
        Check("seconds a picture", f"sd1, {count} at once", partial(_batch, count), needs_gpu=True)
        for count in (1, 2, 4, 8)
    ]
    return rows


def _cell(context: Context, family: str, count: int = 1, steps: int = 20) -> Cell:
    side = context.side(family)
    return Cell("a red apple on a wooden table", context.steps(steps), side, side, count)


def _contender(context: Context, family: str, *, previews: bool, speed: Speed) -> EngineContender:
    settings = Settings(device=str(context.device.torch), previews=previews)
    dtype = DType.FLOAT32 if context.dry else DType.FLOAT16
    return EngineContender(settings, context.request(family, dtype, speed=speed))


def _ratio(family: str, previews: bool, context: Context) -> Reading:
    context.close()
    engine = _contender(context, family, previews=previews, speed=Speed.QUALITY)
    cell = _cell(context, family)
    plain = PlainDiffusers(engine, engine.request_for(cell))
    ratios = []
    for number in range(context.steps(_PAIRS[family]) + 1):
        own = engine.generate(cell, _nothing).measurement.seconds
        theirs = plain.generate(cell, _nothing).measurement.seconds
        if number:  # the first pair warms both up
            ratios.append(own / theirs)
    plain.close()
    engine.close()
    detail = f"{min(ratios):.3f} to {max(ratios):.3f} in {len(ratios)} pairs"
    if context.dry:
        return Reading(statistics.median(ratios), detail=detail)
    most = PREVIEWS_MOST if previews else ENGINE_MOST
    return Reading(statistics.median(ratios), most=most, detail=detail)


def _steps_a_second(family: str, context: Context) -> Reading:
    context.close()
    engine = _contender(context, family, previews=False, speed=Speed.QUALITY)
    cell = _cell(context, family)
    engine.generate(cell, _nothing)
    rates = [engine.generate(cell, _nothing).measurement.it_per_second for _ in range(3)]
    engine.close()
    return Reading(
        statistics.median(rate for rate in rates if rate), "it/s", detail=PUBLISHED[family]
    )


def _preset(family: str, speed: Speed, context: Context) -> Reading:
    context.close()
    cell = _cell(context, family)
    best, images = {}, {}
    first = 0.0
    notices: tuple[str, ...] = ()
    for each in (Speed.QUALITY, speed):
        engine = _contender(context, family, previews=False, speed=each)
        engine.load()
        first = engine.generate(cell, _nothing).measurement.seconds
        results = [engine.generate(cell, _nothing) for _ in range(context.steps(_PAIRS[family]))]
        best[each] = min(result.measurement.seconds for result in results)
        images[each] = results[0].images
        notices = engine.load().speedups.notices
        engine.close()
    difference = picture_difference(images[Speed.QUALITY], images[speed])
    details = [f"first picture {first:.0f} s", f"pictures differ by {difference:.2f} of 255"]
    return Reading(
        best[speed] / best[Speed.QUALITY],
        most=MAX_MOST if speed is Speed.MAX else None,
        detail="; ".join([*details, *notices]),
    )


def _batch(count: int, context: Context) -> Reading:
    engine = _contender(context, "sd1", previews=False, speed=Speed.QUALITY)
    cell = _cell(context, "sd1", count)
    engine.generate(cell, _nothing)
    result = engine.generate(cell, _nothing)
    engine.close()
    size = result.measurement.batch_size
    return Reading(result.measurement.seconds / count, "s", detail=f"batches of {size}")


_nothing: Callable[[], None] = lambda: None  # noqa: E731
