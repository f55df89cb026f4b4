"""Two reports side by side."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from sdtui.bench.report import BenchReport, CellResult
from sdtui.core.errors import BenchError


class ComparedCell(BaseModel):
    """One cell that both reports have. Ratios are the second report's seconds over the first's."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    num_inference_steps: int
    width: int
    height: int
    count: int
    first: float
    second: float
    """Seconds, mean."""
    ratio: float
    """Of the means."""
    lowest: float
    highest: float
    """The ratio of the fastest over the slowest run, and the other way round."""


class Comparison(BaseModel):
    """What two reports have in common, and what they don't."""

    model_config = ConfigDict(frozen=True)

    cells: tuple[ComparedCell, ...]
    differing: dict[str, tuple[str, str]]
    """Settings, versions and machines that aren't the same in both."""
    unmatched: int
    """Cells that only one report has figures for."""


def compare(first: BenchReport, second: BenchReport) -> Comparison:
    """Compare cell by cell. Raises BenchError if there is no cell that both have measured."""
    others = {cell.key: cell for cell in second.measured}
    pairs = [(cell, others[cell.key]) for cell in first.measured if cell.key in others]
    if not pairs:
        raise BenchError(
            "the two benchmarks have no prompt, steps and size in common",
            "Measure both with the same --steps and --size",
        )
    return Comparison(
        cells=tuple(_compared(one, other) for one, other in pairs),
        differing=_differing(first, second),
        unmatched=len(first.measured) + len(second.measured) - 2 * len(pairs),
    )


def _compared(one: CellResult, other: CellResult) -> ComparedCell:
    return ComparedCell(
        prompt=one.prompt,
        num_inference_steps=one.num_inference_steps,
        width=one.width,
        height=one.height,
        count=one.count,
        first=one.mean,
        second=other.mean,
        ratio=other.mean / one.mean,
        lowest=other.fastest / one.slowest,
        highest=other.slowest / one.fastest,
    )


def _differing(first: BenchReport, second: BenchReport) -> dict[str, tuple[str, str]]:
    sides = []
    for report in (first, second):
        fields = report.model_dump(
            mode="json", include={"model", "model_hash", "sampler", "guidance_scale", "dtype"}
        )
        fields |= {"memory mode": report.memory_mode, "speed": report.speed}
        sides.append({**fields, **report.machine.model_dump(), **report.versions})
    one, other = sides
    return {
        name.replace("_", " "): (str(one.get(name)), str(other.get(name)))
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    }
