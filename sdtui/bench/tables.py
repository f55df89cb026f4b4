"""Reports as text for a terminal: tables and bars."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sdtui.bench.compare import Comparison
from sdtui.bench.report import BenchReport, CellResult

_BAR = 40
"""Columns of the longest bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_GIB = 2**30
_LONGEST_PROMPT = 24


def report_lines(report: BenchReport) -> list[str]:
    """A whole report: what ran where, the table, the ratios, a plot, and what else to know."""
    lines = [*_head(report), ""]
    measured = report.measured
    if measured:
        lines += _table(_HEADINGS, [_row(cell) for cell in measured])
    lines += [f"{_name(cell)}: {cell.error}" for cell in report.cells if cell.error]
    compared = [cell for cell in measured if cell.ratios]
    if compared:
        lines += ["", f"seconds over those of {report.against}, pair by pair"]
        lines += _table(_RATIO_HEADINGS, [_ratio_row(cell) for cell in compared])
        ratios = [ratio for cell in compared for ratio in cell.ratios]
        lines.append(f"all: median {statistics.median(ratios):.3f}, {_spread(ratios)}")
    if measured:
        lines += ["", "seconds a run", *_bars([(_name(cell), cell.mean) for cell in measured])]
    lines += [f"note: {note}" for note in report.notes]
    if not report.complete:
        lines.append("note: interrupted; this is what was finished")
    return lines


def comparison_lines(comparison: Comparison) -> list[str]:
    """Two reports side by side: A is the first, B the second."""
    cells = comparison.cells
    rows = [
        [
            *_place(cell.width, cell.height, cell.num_inference_steps, cell.count, cell.prompt),
            f"{cell.first:.2f}",
            f"{cell.second:.2f}",
            f"{cell.ratio:.3f}",
            f"{cell.lowest:.3f}–{cell.highest:.3f}",
        ]
        for cell in cells
    ]
    ratios = [cell.ratio for cell in cells]
    return [
        *_table((*_PLACE, "A s", "B s", "B/A", "spread"), rows),
        f"all: median {statistics.median(ratios):.3f}, {_spread(ratios)}",
        "",
        "B/A",
        *_bars(
            [(f"{row[0]} {row[1]} steps", ratio) for row, ratio in zip(rows, ratios, strict=True)]
        ),
        *(
            f"note: {name}: A {one or 'none'}, B {other or 'none'}"
            for name, (one, other) in comparison.differing.items()
        ),
        *(
            [f"note: {comparison.unmatched} cells that only one of the two has measured"]
            if comparison.unmatched
            else []
        ),
    ]


def _head(report: BenchReport) -> list[str]:
    machine = report.machine
    versions = ", ".join(
        f"{name} {report.versions[name]}"
        for name in ("sdtui", "torch", "diffusers")
        if name in report.versions
    )
    settings = [
        report.model,
        report.sampler,
        f"CFG {report.guidance_scale:g}" if report.guidance_scale is not None else "",
        report.dtype,
        f"{report.memory_mode.replace('_', ' ')} memory" if report.memory_mode else "",
        f"speed {report.speed}" + "".join(f", {part}" for part in report.speedups),
    ]
    loading = ", ".join(f"{name} {spent:.2f}" for name, spent in report.load_timings.items())
    lines = [
        f"{machine.device}: {machine.name}, {machine.cores} cores, {machine.threads} threads, "
        f"{machine.memory / _GIB:.1f} GiB; {machine.system}",
        ", ".join(part for part in settings if part),
        versions,
        f"loading, s: {loading}" if loading else "",
        f"warm-up {report.warm_up:.1f} s (loading included), not counted" if report.warm_up else "",
    ]
    return [line for line in lines if line]


_PLACE = ("size", "steps", "pictures", "prompt")
_HEADINGS = (
    *_PLACE,
    "mean s",
    "min",
    "max",
    "it/s",
    "encode s",
    "denoise s",
    "decode s",
    "at once",
    "peak GiB",
    "estimate",
)
_RATIO_HEADINGS = (*_PLACE, "ratio", "min", "max", "pairs", "difference of the pictures")


def _place(width: int, height: int, steps: int, count: int, prompt: str) -> list[str]:
    short = prompt if len(prompt) <= _LONGEST_PROMPT else f"{prompt[: _LONGEST_PROMPT - 1]}…"
    return [f"{width}×{height}", str(steps), str(count), short]


def _row(cell: CellResult) -> list[str]:
    samples = cell.samples
    speeds = [sample.it_per_second for sample in samples if sample.it_per_second is not None]
    peaks = [sample.peak for sample in samples if sample.peak is not None]
    at_once = {str(sample.batch_size) for sample in samples if sample.batch_size is not None}
    return [
        *_place(cell.width, cell.height, cell.num_inference_steps, cell.count, cell.prompt),
        f"{cell.mean:.2f}",
        f"{cell.fastest:.2f}",
        f"{cell.slowest:.2f}",
        f"{statistics.fmean(speeds):.2f}" if speeds else "–",
        *(_stage(cell, name) for name in ("encode", "denoise", "decode")),
        "/".join(sorted(at_once)) or "–",
        f"{max(peaks) / _GIB:.2f}" if peaks else "–",
        f"{cell.estimate / _GIB:.2f}" if cell.estimate is not None else "–",
    ]


def _stage(cell: CellResult, name: str) -> str:
    spent = [sample.stages[name] for sample in cell.samples if name in sample.stages]
    return f"{statistics.fmean(spent):.2f}" if spent else "–"


def _ratio_row(cell: CellResult) -> list[str]:
    ratios = cell.ratios
    return [
        *_place(cell.width, cell.height, cell.num_inference_steps, cell.count, cell.prompt),
        f"{statistics.median(ratios):.3f}",
        f"{min(ratios):.3f}",
        f"{max(ratios):.3f}",
        str(len(ratios)),
        "–" if cell.difference is None else f"{cell.difference:.2f} of 255",
    ]


def _name(cell: CellResult) -> str:
    name = f"{cell.width}×{cell.height} {cell.num_inference_steps} steps"
    return f"{name} {_place(0, 0, 0, 0, cell.prompt)[-1]}"


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they need be; numbers to the right, prompts to the left."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return [
        "  ".join(
            text.ljust(width) if heading == "prompt" else text.rjust(width)
            for text, width, heading in zip(line, widths, headings, strict=True)
        ).rstrip()
        for line in lines
    ]


def _bars(values: Sequence[tuple[str, float]]) -> list[str]:
    """A horizontal bar for each name and value, to an eighth of a column."""
    most = max(value for _, value in values)
    width = max(len(name) for name, _ in values)
    return [f"{name.ljust(width)}  {_bar(value / most)} {value:.2f}" for name, value in values]


def _bar(share: float) -> str:
    whole, part = divmod(round(share * _BAR * 8), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")
