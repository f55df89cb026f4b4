"""Compare two reports."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from sdtui.bench.report import BenchReport, CellKey, CellResult
from sdtui.core.errors import BenchError


class ComparedCell(CellKey):
    """A cell of both reports. Ratios are seconds of the second report over those of the first."""

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
        **dict(one.key),
        first=one.mean,
        second=other.mean,
        ratio=other.mean / one.mean,
        lowest=other.fastest / one.slowest,
        highest=other.slowest / one.fastest,
    )


def _differences(first: BenchReport, second: BenchReport) -> dict[str, tuple[str, str]]:
    one, other = (_conditions(report) for report in (first, second))
    return {
        name.replace("_", " "): (one.get(name, ""), other.get(name, ""))
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    }


def _conditions(report: BenchReport) -> dict[str, str]:
    """All that a time may depend on, by name, in words."""
    values = {
        **report.settings,
        "model_hash": report.model_hash,
        **report.machine.model_dump(),
        **report.versions,
    }
    return {name: str(value) for name, value in values.items() if value is not None}
