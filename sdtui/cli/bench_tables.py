"""Reports of benchmarks in a terminal, as tables and bars."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Iterable, Sequence

from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

from sdtui.bench.compare import Comparison
from sdtui.bench.report import MEASURED_STAGES, BenchReport, CellKey, CellResult
from sdtui.core.text import one_line
from sdtui.core.units import gibibytes
from sdtui.requests.request import REQUEST_FIELDS

_MAX_BAR = 40
"""Columns of the longest bar."""

_MAX_PROMPT = 24
"""Columns of the longest prompt."""

_ANY_WIDTH = 1000
"""Columns in which every table fits."""

_GIB = 2**30


def report_lines(report: BenchReport, width: int) -> list[str]:
    """A report in `width` columns: settings and machine, tables, ratios, bars and notes."""
    lines = [*_wrapped(_header(report), width), ""]
    measured = report.measured
    if measured:
        lines += _tables(measured, width)
    errors = [f"{_name_of(cell)}: {cell.error}" for cell in report.cells if cell.error]
    lines += _wrapped(errors, width)
    compared = [cell for cell in measured if cell.ratios]
    if compared:
        lines += ["", f"seconds over those of {report.against}, pair by pair"]
        lines += _rendered(_table(_RATIO_HEADINGS, map(_ratio_row, compared)), width)
        ratios = [ratio for cell in compared for ratio in cell.ratios]
        lines.append(f"all: median {statistics.median(ratios):.3f}, {_spread(ratios)}")
        computed = [ratio for cell in compared for ratio in cell.cpu_ratios]
        if computed and report.machine.device == "cpu":
            lines.append(
                f"CPU seconds: median {statistics.median(computed):.3f}, {_spread(computed)}"
            )
    if measured:
        bars = _bars([(_name_of(cell), cell.mean) for cell in measured])
        lines += ["", "seconds a run", *_rendered(bars, width)]
    lines += _wrapped([f"note: {note}" for note in report.notes], width)
    if not report.complete:
        lines.append("note: interrupted; this is what was finished")
    return lines


def comparison_lines(comparison: Comparison, width: int) -> list[str]:
    """A comparison in `width` columns; A is the first report, B the second."""
    cells = comparison.cells
    rows = [
        [
            *_cell_columns(cell),
            f"{cell.first:.2f}",
            f"{cell.second:.2f}",
            f"{cell.ratio:.3f}",
            f"{cell.lowest:.3f}–{cell.highest:.3f}",
        ]
        for cell in cells
    ]
    ratios = [cell.ratio for cell in cells]
    notes = [
        f"note: {name}: A {one or 'none'}, B {other or 'none'}"
        for name, (one, other) in comparison.differing.items()
    ]
    if comparison.unmatched:
        notes.append(f"note: {comparison.unmatched} cells that only one of the two has measured")
    return [
        *_rendered(_table((*_CELL_HEADINGS, "A s", "B s", "B/A", "spread"), rows), width),
        f"all: median {statistics.median(ratios):.3f}, {_spread(ratios)}",
        "",
        "B/A",
        *_rendered(_bars([(_name_of(cell), cell.ratio) for cell in cells]), width),
        *_wrapped(notes, width),
    ]


def _header(report: BenchReport) -> list[str]:
    machine = report.machine
    versions = ", ".join(
        f"{name} {report.versions[name]}"
        for name in ("sdtui", "torch", "diffusers")
        if name in report.versions
    )
    settings = [
        f"{field.spec.label}: {_setting_text(report.settings[name])}"
        for name, field in REQUEST_FIELDS.items()
        if name in report.settings
    ]
    loading = ", ".join(f"{name} {spent:.2f}" for name, spent in report.load_timings.items())
    lines = [
        f"{machine.device}: {machine.name}, {machine.cores} cores, {machine.threads} threads, "
        f"{gibibytes(machine.memory)} GiB; {machine.system}",
        ", ".join(settings),
        f"sped up by {', '.join(report.speedups)}" if report.speedups else "",
        versions,
        f"loading, s: {loading}" if loading else "",
        f"warm-up {report.warm_up:.1f} s (loading included), not counted" if report.warm_up else "",
    ]
    return [line for line in lines if line]


def _setting_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


_CELL_HEADINGS = ("size", "steps", "count", "prompt")
_SPEED_HEADINGS = ("mean s", "min", "max", "it/s", "at once")
_STAGE_HEADINGS = (f"{MEASURED_STAGES[0]} s", *MEASURED_STAGES[1:], "peak GiB", "estimate")
_RATIO_HEADINGS = (*_CELL_HEADINGS, "ratio", "min", "max", "pairs", "difference")


def _tables(cells: Sequence[CellResult], width: int) -> list[str]:
    """One table if it fits, else one of speed and one of stages and memory."""
    labels = [_cell_columns(cell) for cell in cells]
    speeds = [_speed_columns(cell) for cell in cells]
    stages = [_stage_columns(cell) for cell in cells]
    rows = [
        [*label, *speed, *stage] for label, speed, stage in zip(labels, speeds, stages, strict=True)
    ]
    together = _rendered(_table((*_CELL_HEADINGS, *_SPEED_HEADINGS, *_STAGE_HEADINGS), rows))
    if max(map(cell_len, together)) <= width:
        return together
    of_speed = [[*label, *speed] for label, speed in zip(labels, speeds, strict=True)]
    of_stages = [[*label, *stage] for label, stage in zip(labels, stages, strict=True)]
    return [
        *_rendered(_table((*_CELL_HEADINGS, *_SPEED_HEADINGS), of_speed), width),
        "",
        *_rendered(_table((*_CELL_HEADINGS, *_STAGE_HEADINGS), of_stages), width),
    ]


def _cell_columns(cell: CellKey) -> list[str]:
    prompt = Text(one_line(cell.prompt))
    prompt.truncate(_MAX_PROMPT, overflow="ellipsis")
    return [
        f"{cell.width}×{cell.height}",
        str(cell.num_inference_steps),
        str(cell.count),
        prompt.plain,
    ]


def _speed_columns(cell: CellResult) -> list[str]:
    speeds = [each.it_per_second for each in cell.samples if each.it_per_second is not None]
    at_once = {str(each.batch_size) for each in cell.samples if each.batch_size is not None}
    return [
        f"{cell.mean:.2f}",
        f"{cell.fastest:.2f}",
        f"{cell.slowest:.2f}",
        f"{statistics.fmean(speeds):.2f}" if speeds else "–",
        "/".join(sorted(at_once)) or "–",
    ]


def _stage_columns(cell: CellResult) -> list[str]:
    peaks = [sample.peak for sample in cell.samples if sample.peak is not None]
    return [
        *(_stage(cell, name) for name in MEASURED_STAGES),
        f"{max(peaks) / _GIB:.2f}" if peaks else "–",
        f"{cell.estimate / _GIB:.2f}" if cell.estimate is not None else "–",
    ]


def _stage(cell: CellResult, name: str) -> str:
    seconds = [sample.stages[name] for sample in cell.samples if name in sample.stages]
    return f"{statistics.fmean(seconds):.2f}" if seconds else "–"


def _ratio_row(cell: CellResult) -> list[str]:
    ratios = cell.ratios
    return [
        *_cell_columns(cell),
        f"{statistics.median(ratios):.3f}",
        f"{min(ratios):.3f}",
        f"{max(ratios):.3f}",
        str(len(ratios)),
        "–" if cell.difference is None else f"{cell.difference:.2f}/255",
    ]


def _name_of(cell: CellKey) -> str:
    size, steps, _, prompt = _cell_columns(cell)
    return f"{size} {steps} steps {prompt}"


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def _wrapped(lines: Iterable[str], width: int) -> list[str]:
    return [
        part
        for line in lines
        for part in textwrap.wrap(one_line(line), width, subsequent_indent="  ")
    ]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Numbers are right-aligned; prompts are left-aligned, and shortened as far as needed."""
    prompt = headings.index("prompt")
    columns = [Column(name, justify="right", no_wrap=True) for name in headings]
    columns[prompt] = Column("prompt", min_width=len("prompt"))  # the one that may get narrower
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        cells: list[RenderableType] = [*row]
        cells[prompt] = Text(row[prompt], no_wrap=True, overflow="ellipsis")
        table.add_row(*cells)
    return table


def _bars(values: Sequence[tuple[str, float]]) -> Table:
    """A horizontal bar for each name and value, precise to an eighth of a column."""
    table = Table.grid(
        Column(no_wrap=True),
        Column(max_width=_MAX_BAR),
        Column(justify="right", no_wrap=True),
        padding=(0, 1, 0, 0),
    )
    most = max(value for _, value in values)
    for name, value in values:
        table.add_row(name, Bar(most, 0, value), f"{value:.2f}")
    return table


def _rendered(table: Table, width: int = _ANY_WIDTH) -> list[str]:
    console = Console(
        width=width,
        force_terminal=False,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().split("\n")[:-1]]
