"""Compare two reports."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from sdtui.bench.report import BenchReport, CellResult
from sdtui.core.errors import BenchError


class ComparedCell(BaseModel):
    """A cell of both reports. Ratios are seconds of the second report over those of the first."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    num_inference_steps: int
    width: int
    height: int
    count: int
    first: float
    second: float
    """Mean seconds of each report."""
    ratio: float
    """Ratio of the means."""
    lowest: float
    highest: float
    """Ratio of the fastest run to the slowest, and of the slowest to the fastest."""


class Comparison(BaseModel):
    """The common cells of two reports, and their differences."""

    model_config = ConfigDict(frozen=True)

    cells: tuple[ComparedCell, ...]
    differing: dict[str, tuple[str, str]]
    """Settings, versions and machine properties that differ, by name."""
    unmatched: int
    """Number of cells that only one report has measured."""


def compare(first: BenchReport, second: BenchReport) -> Comparison:
    """Compare cell by cell. Raises BenchError if no cell was measured in both."""
    others = {cell.key: cell for cell in second.measured}
    pairs = [(cell, others[cell.key]) for cell in first.measured if cell.key in others]
    if not pairs:
        raise BenchError(
            "the two benchmarks have no prompt, steps and size in common",
            "Measure both with the same --steps and --size",
        )
    return Comparison(
        cells=tuple(_compare_cells(one, other) for one, other in pairs),
        differing=_differences(first, second),
        unmatched=len(first.measured) + len(second.measured) - 2 * len(pairs),
    )


def _compare_cells(one: CellResult, other: CellResult) -> ComparedCell:
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


def _differences(first: BenchReport, second: BenchReport) -> dict[str, tuple[str, str]]:
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
