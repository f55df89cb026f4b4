"""What is measured: prompts × steps × sizes, and how that is made to fit into a given time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

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
"""What our engine can be measured against: plain diffusers with the same settings; loaded as it
does it by default (fp32); our engine without a speed preset; asked for each picture of `count`
alone."""

_LARGEST_SIDE = 2048
"""Of a request."""


@dataclass(frozen=True)
class Cell:
    """One combination that is measured."""

    prompt: str
    num_inference_steps: int
    width: int
    height: int
    count: int = 1
    """Pictures that one run makes."""


@dataclass(frozen=True)
class Cost:
    """What a run takes at one size, in seconds."""

    step: float
    """One denoising step."""
    fixed: float
    """All that doesn't grow with the steps."""

    def scaled(self, factor: float) -> Self:
        """The cost of a picture with `factor` times the pixels, if it grows like them."""
        return replace(self, step=self.step * factor, fixed=self.fixed * factor)


@dataclass(frozen=True)
class Plan:
    """A grid of cells. What a person asked for by name is never sized down."""

    prompts: tuple[str, ...] = PROMPTS
    steps: tuple[int, ...] = STEPS
    sizes: tuple[Size, ...] = SIZES
    runs: int = RUNS
    count: int = 1
    kept: frozenset[str] = frozenset()
    """Names of the fields above that stay as they are."""

    def cells(self) -> tuple[Cell, ...]:
        """Every combination, the cheapest first."""
        return tuple(
            Cell(prompt, steps, width, height, self.count)
            for width, height in self.sizes
            for steps in self.steps
            for prompt in self.prompts
        )

    def seconds(self, costs: Mapping[Size, Cost], contenders: int = 1) -> float:
        """How long it takes; `costs` knows every size, for one contender."""
        once = sum(
            costs[size].fixed + steps * costs[size].step
            for size in self.sizes
            for steps in self.steps
        )
        return once * len(self.prompts) * self.runs * contenders


def native_sizes(width: int, height: int) -> tuple[Size, ...]:
    """The sizes for a model of this native size: the classic ones where it makes them, else its
    own and one of half as much again along each side."""
    if (width, height) == SIZES[0]:
        return SIZES
    larger = tuple(min(side * 3 // 2 // 64 * 64, _LARGEST_SIDE) for side in (width, height))
    return ((width, height), (larger[0], larger[1]))


def fit_to(
    plan: Plan, costs: Mapping[Size, Cost], seconds: float, contenders: int = 1
) -> tuple[Plan, tuple[str, ...]]:
    """The plan, made smaller until it takes at most `seconds`, and what was left out, in words.

    First fewer prompts, then two runs, fewer kinds of steps, fewer sizes, one run, and at last
    shorter runs. What is left may still take longer.
    """
    notes: list[str] = []
    while plan.seconds(costs, contenders) > seconds:
        found = next(filter(None, (shrink(plan) for shrink in _SHRINKS)), None)
        if found is None:
            expected = plan.seconds(costs, contenders)
            notes.append(f"expected to take {expected:.0f} s, more than the {seconds:.0f} s given")
            break
        plan, note = found
        notes.append(note)
    return plan, tuple(dict.fromkeys(notes))


_Shrink = Callable[[Plan], tuple[Plan, str] | None]


def _one_prompt(plan: Plan) -> tuple[Plan, str] | None:
    if "prompts" in plan.kept or len(plan.prompts) == 1:
        return None
    return replace(plan, prompts=plan.prompts[:1]), "one prompt only"


def _runs(fewest: int) -> _Shrink:
    def shrink(plan: Plan) -> tuple[Plan, str] | None:
        if "runs" in plan.kept or plan.runs <= fewest:
            return None
        return replace(plan, runs=fewest), f"{fewest} run{'s' if fewest > 1 else ''} each"

    return shrink


def _fewer_kinds_of_steps(plan: Plan) -> tuple[Plan, str] | None:
    if "steps" in plan.kept or len(plan.steps) == 1:
        return None
    most = max(plan.steps)
    return replace(plan, steps=tuple(s for s in plan.steps if s != most)), f"without {most} steps"


def _fewer_sizes(plan: Plan) -> tuple[Plan, str] | None:
    if "sizes" in plan.kept or len(plan.sizes) == 1:
        return None
    largest = max(plan.sizes, key=lambda size: size[0] * size[1])
    sizes = tuple(size for size in plan.sizes if size != largest)
    return replace(plan, sizes=sizes), f"without {largest[0]}×{largest[1]}"


def _fewer_steps(plan: Plan) -> tuple[Plan, str] | None:
    steps = max(plan.steps)
    if "steps" in plan.kept or steps == 1:
        return None
    return replace(plan, steps=(steps // 2,)), "fewer steps"


_SHRINKS: tuple[_Shrink, ...] = (
    _one_prompt,
    _runs(2),
    _fewer_kinds_of_steps,
    _fewer_sizes,
    _runs(1),
    _fewer_steps,
)
