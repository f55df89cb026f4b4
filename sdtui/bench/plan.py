"""What a benchmark measures: prompts × steps × sizes, reduced to fit into a given time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

from sdtui.requests.request import LARGEST_SIDE, REQUEST_FIELDS

Size = tuple[int, int]
"""Width and height in pixels."""

PROMPTS = (
    "a photo of an astronaut riding a horse on mars",
    "a red apple on a wooden table, oil painting",
    "a castle on a hill at sunset, highly detailed",
)
STEPS = (20, 50, 100)
SIZES: tuple[Size, ...] = ((512, 512), (768, 768))
RUNS = 3

OPPONENTS = ("diffusers", "diffusers-defaults", "quality", "one-by-one")
"""What sdtui's engine can be compared with: plain diffusers with the same settings or with its
defaults (fp32), the engine without a speed preset, or generating each of `count` pictures alone."""


@dataclass(frozen=True)
class Cell:
    """One combination to measure: the values of the request's fields with these names."""

    prompt: str
    num_inference_steps: int
    width: int
    height: int
    num_images_per_prompt: int = 1


SETTING_FIELDS: tuple[str, ...] = tuple(
    name
    for name, field in REQUEST_FIELDS.items()
    if name != "policy"
    and field.section not in ("templates", "upscale", "redraw")
    and name not in {each.name for each in fields(Cell)}
)
"""The fields of a request that have one value in a whole benchmark, by their unique names: those
that cells don't vary, without the retry policy, since a benchmark never retries, what is worked out
before the engine gets a request, and what is done with finished pictures."""


@dataclass(frozen=True)
class Cost:
    """Seconds that a run takes at one size."""

    step: float
    """Seconds per denoising step."""
    fixed: float
    """Seconds that don't depend on the steps."""

    def scaled(self, factor: float) -> Self:
        """The cost with `factor` times the pixels, assuming it is proportional."""
        return replace(self, step=self.step * factor, fixed=self.fixed * factor)


@dataclass(frozen=True)
class BenchPlan:
    """A grid of cells. Values that the user requested are never reduced."""

    prompts: tuple[str, ...] = PROMPTS
    steps: tuple[int, ...] = STEPS
    sizes: tuple[Size, ...] = SIZES
    runs: int = RUNS
    count: int = 1
    requested: frozenset[str] = frozenset()
    """Names of the fields above that the user requested."""

    def cells(self) -> tuple[Cell, ...]:
        """All combinations, cheapest first."""
        return tuple(
            Cell(prompt, steps, width, height, self.count)
            for width, height in self.sizes
            for steps in self.steps
            for prompt in self.prompts
        )

    def seconds(self, costs: Mapping[Size, Cost], contenders: int = 1) -> float:
        """Expected seconds; `costs` has every size, for one contender."""
        once = sum(
            costs[size].fixed + steps * costs[size].step
            for size in self.sizes
            for steps in self.steps
        )
        return once * len(self.prompts) * self.runs * contenders


def native_sizes(width: int, height: int) -> tuple[Size, ...]:
    """The sizes for a model by its native size: the default ones for 512 × 512, else the native
    size and one with sides 1.5 times as long."""
    if (width, height) == SIZES[0]:
        return SIZES
    larger = tuple(min(side * 3 // 2 // 64 * 64, LARGEST_SIDE) for side in (width, height))
    return ((width, height), (larger[0], larger[1]))


def fit_to(
    plan: BenchPlan, costs: Mapping[Size, Cost], seconds: float, contenders: int = 1
) -> tuple[BenchPlan, tuple[str, ...]]:
    """Reduce a plan until it takes at most `seconds`; returns it with notes on what was dropped.

    Order: prompts, down to two runs, step counts, sizes, down to one run, shorter runs. The
    smallest plan may still take longer.
    """
    notes: list[str] = []
    while plan.seconds(costs, contenders) > seconds:
        reduced = next(filter(None, (reduce(plan) for reduce in _REDUCTIONS)), None)
        if reduced is None:
            expected = plan.seconds(costs, contenders)
            notes.append(f"expected to take {expected:.0f} s, more than the {seconds:.0f} s given")
            break
        plan, note = reduced
        notes.append(note)
    return plan, tuple(dict.fromkeys(notes))


_Reduction = Callable[[BenchPlan], tuple[BenchPlan, str] | None]


def _one_prompt(plan: BenchPlan) -> tuple[BenchPlan, str] | None:
    if "prompts" in plan.requested or len(plan.prompts) == 1:
        return None
    return replace(plan, prompts=plan.prompts[:1]), "one prompt only"


def _runs(minimum: int) -> _Reduction:
    def reduce(plan: BenchPlan) -> tuple[BenchPlan, str] | None:
        if "runs" in plan.requested or plan.runs <= minimum:
            return None
        return replace(plan, runs=minimum), f"{minimum} run{'s' if minimum > 1 else ''} each"

    return reduce


def _fewer_step_counts(plan: BenchPlan) -> tuple[BenchPlan, str] | None:
    if "steps" in plan.requested or len(plan.steps) == 1:
        return None
    most = max(plan.steps)
    return replace(plan, steps=tuple(s for s in plan.steps if s != most)), f"without {most} steps"


def _fewer_sizes(plan: BenchPlan) -> tuple[BenchPlan, str] | None:
    if "sizes" in plan.requested or len(plan.sizes) == 1:
        return None
    largest = max(plan.sizes, key=lambda size: size[0] * size[1])
    sizes = tuple(size for size in plan.sizes if size != largest)
    return replace(plan, sizes=sizes), f"without {largest[0]}×{largest[1]}"


def _fewer_steps(plan: BenchPlan) -> tuple[BenchPlan, str] | None:
    steps = max(plan.steps)
    if "steps" in plan.requested or steps == 1:
        return None
    return replace(plan, steps=(steps // 2,)), "fewer steps"


_REDUCTIONS: tuple[_Reduction, ...] = (
    _one_prompt,
    _runs(2),
    _fewer_step_counts,
    _fewer_sizes,
    _runs(1),
    _fewer_steps,
)
