"""Reports of benchmarks as text: tables, bars and notes."""

from __future__ import annotations

from rich.cells import cell_len

from sdtui.bench.compare import compare
from sdtui.bench.report import Measurement
from sdtui.cli.bench_tables import comparison_lines, report_lines
from tests.support.bench_reports import cell, report


def test_every_setting_that_was_used_is_printed() -> None:
    settings = {"negative_prompt": "two\x1b[31m\nlines", "guidance_scale": 3.0, "clip_skip": 2}
    text = "\n".join(report_lines(report(cell([1.0]), settings=settings), 200))
    for words in ("Model: pocket", "CFG scale: 3,", "Clip skip: 2", "Precision: float32"):
        assert words in text
    assert "Init image" not in text
    assert "\x1b" not in text


def test_table_lists_every_cell_in_aligned_columns() -> None:
    result = report(
        cell([1.0, 2.0], estimate=2**31),
        cell([10.0], steps=100, prompt="a much longer prompt than fits into the column"),
        cell([], steps=50, error="memory ran out"),
        complete=False,
    )
    lines = report_lines(result, 160)
    text = "\n".join(lines)
    for words in ("A CPU, 2 cores", "1.50", "1.00", "2.00", "1.50      2.00", "memory ran out"):
        assert words in text
    assert "interrupted" in lines[-1]
    head = next(index for index, line in enumerate(lines) if "it/s" in line)
    assert len({len(line) for line in lines[head : head + 3]}) == 1
    bars = [line.count("█") for line in lines if "█" in line]
    assert bars == [6, 40]


def test_tables_fit_into_80_columns() -> None:
    against = (Measurement(seconds=4.0), Measurement(seconds=5.0))
    prompts = ("a much longer prompt than fits", "a prompt\nof two \x1b[31mlines")
    cells = [
        cell([1000.0, 2000.0], steps=100, prompt=prompt, against=against, difference=0.25)
        for prompt in prompts
    ]
    failed = cell([], steps=50, error="memory ran out in the denoise stage: " + "no " * 40)
    first = report(
        *cells,
        failed,
        against="diffusers",
        load_timings={f"component_{number}": 1.0 for number in range(9)},
        notes=("what else there is to know, at some length, as it is with most of the notes",),
    )
    lines = report_lines(first, 80)
    compared = comparison_lines(
        compare(first, report(*cells, settings={"model": "another " * 15})), 80
    )
    assert max(map(len, lines + compared)) <= 80
    text = "\n".join(lines)
    for words in ("mean s", "denoise", "peak GiB", "ratio", "250.000", "█", "1500.00"):
        assert words in text
    assert "\x1b" not in text


def test_empty_report_is_printed() -> None:
    assert report_lines(report(complete=False), 80)[-1].startswith("note: interrupted")


def test_ratios_of_computed_seconds_are_printed() -> None:
    samples = tuple(Measurement(seconds=9.0, cpu_seconds=each) for each in (1.0, 2.0, 3.0))
    against = (
        *(Measurement(seconds=1.0, cpu_seconds=4.0) for _ in range(2)),
        Measurement(seconds=1.0),
    )
    compared = cell([], samples=samples, against=against)
    text = "\n".join(report_lines(report(compared, against="diffusers"), 80))
    assert "CPU seconds: median 0.375, 0.250 to 0.500" in text


def test_comparison_lists_ratios_and_differences() -> None:
    first = report(cell([1.0, 3.0]), cell([5.0], steps=50))
    settings = {"dtype": "bfloat16", "clip_skip": 2, "negative_prompt": "two\x1b[31m\nlines"}
    second = report(cell([4.0, 4.0]), cell([9.0], steps=100), settings=settings)
    lines = comparison_lines(compare(first, second), 80)
    assert any("2.000" in line for line in lines)
    assert "note: dtype: A float32, B bfloat16" in lines
    assert "note: clip skip: A none, B 2" in lines
    assert "note: negative prompt: A none, B two\\x1b[31m lines" in lines


def test_columns_are_aligned_behind_wide_characters() -> None:
    prompts = ("a cat", "赤いリンゴ、木のテーブルの上、油絵", "😀" * 30)
    for width in (80, 120, 160):
        lines = report_lines(report(*(cell([1.0], prompt=each) for each in prompts)), width)
        head = next(index for index, line in enumerate(lines) if "mean s" in line)
        assert len({cell_len(line) for line in lines[head : head + 4]}) == 1
        assert max(map(cell_len, lines)) <= width


def test_brackets_in_a_prompt_are_printed() -> None:
    lines = report_lines(report(cell([1.0], prompt="[b]a [cat][/b]")), 160)
    assert sum("[b]a [cat][/b]" in line for line in lines) == 2  # the table and the bars


def test_every_cell_has_a_bar_though_prompts_begin_alike() -> None:
    cells = (cell([1.0], prompt="a photo of a castle on a " + end) for end in ("hill", "cloud"))
    bars = [line for line in report_lines(report(*cells), 80) if "█" in line]
    assert len(bars) == 2
