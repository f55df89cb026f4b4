"""Print reports in a terminal, as tables and bars."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence

from sdtui.bench.compare import Comparison
from sdtui.bench.report import BenchReport, CellKey, CellResult
from sdtui.core.text import one_line, shortened
from sdtui.core.units import gibibytes
from sdtui.requests.request import REQUEST_FIELDS

_MAX_BAR = 40
"""Columns of the longest bar."""

_NUMBER = 9
"""Columns for the number after a bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_GIB = 2**30
_MAX_PROMPT = 24


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
        lines += _table(_RATIO_HEADINGS, [_ratio_row(cell) for cell in compared], width)
        ratios = [ratio for cell in compared for ratio in cell.ratios]
        lines.append(f"all: median {statistics.median(ratios):.3f}, {_spread(ratios)}")
        computed = [ratio for cell in compared for ratio in cell.cpu_ratios]
        if computed and report.machine.device == "cpu":
            lines.append(
                f"CPU seconds: median {statistics.median(computed):.3f}, {_spread(computed)}"
            )
    if measured:
        bars = _bars([(_name_of(cell), cell.mean) for cell in measured], width)
        lines += ["", "seconds a run", *bars]
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
    names = [_name_of(cell) for cell in cells]
    notes = [
        f"note: {name}: A {one or 'none'}, B {other or 'none'}"
        for name, (one, other) in comparison.differing.items()
    ]
    if comparison.unmatched:
        notes.append(f"note: {comparison.unmatched} cells that only one of the two has measured")
    return [
        *_table((*_CELL_HEADINGS, "A s", "B s", "B/A", "spread"), rows, width),
        f"all: median {statistics.median(ratios):.3f}, {_spread(ratios)}",
        "",
        "B/A",
        *_bars(list(zip(names, ratios, strict=True)), width),
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
    if isinstance(value, float):
        return f"{value:g}"
    return shortened(one_line(str(value)))


_CELL_HEADINGS = ("size", "steps", "count", "prompt")
_SPEED_HEADINGS = ("mean s", "min", "max", "it/s", "at once")
_STAGE_HEADINGS = ("encode s", "denoise", "decode", "peak GiB", "estimate")
_RATIO_HEADINGS = (*_CELL_HEADINGS, "ratio", "min", "max", "pairs", "difference")


def _tables(cells: Sequence[CellResult], width: int) -> list[str]:
    """One table if it fits, else one of speed and one of stages and memory."""
    labels = [_cell_columns(cell) for cell in cells]
    speeds = [_speed_columns(cell) for cell in cells]
    stages = [_stage_columns(cell) for cell in cells]
    together = [
        label + speed + stage for label, speed, stage in zip(labels, speeds, stages, strict=True)
    ]
    table = _table((*_CELL_HEADINGS, *_SPEED_HEADINGS, *_STAGE_HEADINGS), together)
    if max(map(len, table)) <= width:
        return table
    of_speed = [label + speed for label, speed in zip(labels, speeds, strict=True)]
    of_stages = [label + stage for label, stage in zip(labels, stages, strict=True)]
    return [
        *_table((*_CELL_HEADINGS, *_SPEED_HEADINGS), of_speed, width),
        "",
        *_table((*_CELL_HEADINGS, *_STAGE_HEADINGS), of_stages, width),
    ]


def _cell_columns(cell: CellKey) -> list[str]:
    return [
        f"{cell.width}×{cell.height}",
        str(cell.num_inference_steps),
        str(cell.count),
        _shortened(one_line(cell.prompt), _MAX_PROMPT),
    ]


def _shortened(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


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
        *(_stage(cell, name) for name in ("encode", "denoise", "decode")),
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


def _wrapped(lines: Sequence[str], width: int) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="  ")]


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[str]:
    """Aligned columns: numbers right, prompts left and shortened as far as needed for `width`."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    prompt = headings.index("prompt")
    too_wide = sum(widths) + 2 * (len(widths) - 1) - width if width is not None else 0
    if too_wide > 0:
        widths[prompt] = max(len("prompt"), widths[prompt] - too_wide)
        for line in lines:
            line[prompt] = _shortened(line[prompt], widths[prompt])
    return [
        "  ".join(
            text.ljust(wide) if column == prompt else text.rjust(wide)
            for column, (text, wide) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _bars(values: Sequence[tuple[str, float]], width: int) -> list[str]:
    """A horizontal bar for each name and value, precise to an eighth of a column."""
    most = max(value for _, value in values)
    names = max(len(name) for name, _ in values)
    longest = max(8, min(_MAX_BAR, width - names - 2 - _NUMBER))
    return [
        f"{name.ljust(names)}  {_bar(value / most, longest)} {value:.2f}" for name, value in values
    ]


def _bar(share: float, longest: int) -> str:
    full, eighths = divmod(round(share * longest * 8), 8)
    return "█" * full + (_EIGHTHS[eighths] if eighths else "")
