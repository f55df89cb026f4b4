"""Tiny models of other families against the calls of their own pipelines."""

from __future__ import annotations

from functools import partial

from sdtui.core.enums import DType
from sdtui.engine.generator import generate
from tests.benchmarks.families import own_pictures, values_of
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading
from tests.gpu.same_picture import MOST_IN_FLOAT32, difference

_FAMILIES = ("chroma", "flux2_klein", "qwen_image", "sd3", "z_image")


def checks() -> list[Check]:
    """Return a row for each family."""
    return [
        Check("same picture", f"tiny {name} {DType.FLOAT32}", partial(_compare, name))
        for name in _FAMILIES
    ]


def _compare(name: str, context: Context) -> Reading:
    context.drop_plain()
    values = values_of(name)
    engine = context.engine()
    request = context.request(name, DType.FLOAT32).changed(**values)
    found = generate(engine, request).images
    own = own_pictures(engine, {**values, "prompt": request.prompt}, request.seeds())
    mean, largest = difference(found, own)
    return Reading(largest, "of 255", most=MOST_IN_FLOAT32, detail=f"mean {mean:.3f}")
