"""Reports as text for a terminal: tables and bars."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence

from sdtui.bench.compare import Comparison
from sdtui.bench.report import BenchReport, CellResult
from sdtui.core.text import one_line

_BAR = 40
"""Columns of the longest bar, where there is room."""

_NUMBER = 9
"""Columns after a bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_GIB = 2**30
_LONGEST_PROMPT = 24


def report_lines(report: BenchReport, width: int) -> list[str]:
    """A whole report in `width` columns: what ran where, the table, the ratios, a plot, and what
    else to know."""
    lines = [*_wrapped(_head(report), width), ""]
    measured = report.measured
    if measured:
        lines += _figures(measured, width)
    errors = [f"{_name(cell)}: {cell.error}" for cell in report.cells if cell.error]
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
        bars = _bars([(_name(cell), cell.mean) for cell in measured], width)
        lines += ["", "seconds a run", *bars]
    lines += _wrapped([f"note: {note}" for note in report.notes], width)
    if not report.complete:
        lines.append("note: interrupted; this is what was finished")
    return lines


def comparison_lines(comparison: Comparison, width: int) -> list[str]:
    """Two reports side by side in `width` columns: A is the first, B the second."""
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
    names = [
        _named(cell.width, cell.height, cell.num_inference_steps, cell.prompt) for cell in cells
    ]
    notes = [
        f"note: {name}: A {one or 'none'}, B {other or 'none'}"
        for name, (one, other) in comparison.differing.items()
    ]
    if comparison.unmatched:
        notes.append(f"note: {comparison.unmatched} cells that only one of the two has measured")
    return [
        *_table((*_PLACE, "A s", "B s", "B/A", "spread"), rows, width),
        f"all: median {statistics.median(ratios):.3f}, {_spread(ratios)}",
        "",
        "B/A",
        *_bars(list(zip(names, ratios, strict=True)), width),
        *_wrapped(notes, width),
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


_PLACE = ("size", "steps", "count", "prompt")
_SPEED = ("mean s", "min", "max", "it/s", "at once")
_PARTS = ("encode s", "denoise", "decode", "peak GiB", "estimate")
_RATIO_HEADINGS = (*_PLACE, "ratio", "min", "max", "pairs", "difference")


def _figures(cells: Sequence[CellResult], width: int) -> list[str]:
    """One table where it fits, else one of speed and one of stages and memory."""
    places = [_place_of(cell) for cell in cells]
    speeds = [_speed(cell) for cell in cells]
    parts = [_parts(cell) for cell in cells]
    together = [
        place + speed + part for place, speed, part in zip(places, speeds, parts, strict=True)
    ]
    whole = _table((*_PLACE, *_SPEED, *_PARTS), together)
    if max(map(len, whole)) <= width:
        return whole
    of_speed = [place + speed for place, speed in zip(places, speeds, strict=True)]
    of_parts = [place + part for place, part in zip(places, parts, strict=True)]
    return [
        *_table((*_PLACE, *_SPEED), of_speed, width),
        "",
        *_table((*_PLACE, *_PARTS), of_parts, width),
    ]


def _place(width: int, height: int, steps: int, count: int, prompt: str) -> list[str]:
    return [
        f"{width}×{height}",
        str(steps),
        str(count),
        _shortened(one_line(prompt), _LONGEST_PROMPT),
    ]


def _place_of(cell: CellResult) -> list[str]:
    return _place(cell.width, cell.height, cell.num_inference_steps, cell.count, cell.prompt)


def _shortened(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


def _speed(cell: CellResult) -> list[str]:
    speeds = [each.it_per_second for each in cell.samples if each.it_per_second is not None]
    at_once = {str(each.batch_size) for each in cell.samples if each.batch_size is not None}
    return [
        f"{cell.mean:.2f}",
        f"{cell.fastest:.2f}",
        f"{cell.slowest:.2f}",
        f"{statistics.fmean(speeds):.2f}" if speeds else "–",
        "/".join(sorted(at_once)) or "–",
    ]


def _parts(cell: CellResult) -> list[str]:
    peaks = [sample.peak for sample in cell.samples if sample.peak is not None]
    return [
        *(_stage(cell, name) for name in ("encode", "denoise", "decode")),
        f"{max(peaks) / _GIB:.2f}" if peaks else "–",
        f"{cell.estimate / _GIB:.2f}" if cell.estimate is not None else "–",
    ]


def _stage(cell: CellResult, name: str) -> str:
    spent = [sample.stages[name] for sample in cell.samples if name in sample.stages]
    return f"{statistics.fmean(spent):.2f}" if spent else "–"


def _ratio_row(cell: CellResult) -> list[str]:
    ratios = cell.ratios
    return [
        *_place_of(cell),
        f"{statistics.median(ratios):.3f}",
        f"{min(ratios):.3f}",
        f"{max(ratios):.3f}",
        str(len(ratios)),
        "–" if cell.difference is None else f"{cell.difference:.2f}/255",
    ]


def _name(cell: CellResult) -> str:
    return _named(cell.width, cell.height, cell.num_inference_steps, cell.prompt)


def _named(width: int, height: int, steps: int, prompt: str) -> str:
    size, steps_, _, short = _place(width, height, steps, 1, prompt)
    return f"{size} {steps_} steps {short}"


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def _wrapped(lines: Sequence[str], width: int) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="  ")]


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[str]:
    """Columns as wide as they need be; numbers to the right, prompts to the left and shortened
    until the table fits into `width` columns, as far as that goes."""
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
    """A horizontal bar for each name and value, to an eighth of a column."""
    most = max(value for _, value in values)
    names = max(len(name) for name, _ in values)
    longest = max(8, min(_BAR, width - names - 2 - _NUMBER))
    return [
        f"{name.ljust(names)}  {_bar(value / most, longest)} {value:.2f}" for name, value in values
    ]


def _bar(share: float, longest: int) -> str:
    whole, part = divmod(round(share * longest * 8), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")
