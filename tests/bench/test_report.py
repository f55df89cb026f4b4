"""Reports: written and read again, and compared."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from sdtui.bench.compare import compare
from sdtui.bench.report import Measurement, read_report, to_csv
from sdtui.core.errors import BenchError
from tests.support.bench_reports import cell, report


def test_report_survives_json(tmp_path: Path) -> None:
    result = report(cell([1.0, 2.0]), against="diffusers", notes=("one prompt only",))
    file = tmp_path / "a.json"
    file.write_text(result.model_dump_json())
    assert read_report(file) == result


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_report_that_powershell_wrote_is_read(tmp_path: Path, encoding: str) -> None:
    result = report(cell([1.0, 2.0]))
    file = tmp_path / "a.json"
    file.write_text(result.model_dump_json(), encoding=encoding)
    assert read_report(file) == result


@pytest.mark.parametrize("text", ["", "[]", '{"runs": 1}', "\x00"])
def test_file_that_is_not_a_report_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(BenchError, match=r"a\.json is not a readable benchmark"):
        read_report(file)


def test_csv_has_a_row_for_every_run_and_failed_cell() -> None:
    against = (Measurement(seconds=4.0), Measurement(seconds=5.0))
    result = report(
        cell([1.0, 2.0], prompt='a "cat", sitting', against=against),
        cell([], steps=50, error="memory ran out"),
        against="diffusers",
        settings={"seed": 7, "clip_skip": 2},
    )
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert [(row["contender"], row["seconds"]) for row in rows] == [
        ("sdtui", "1.0"),
        ("sdtui", "2.0"),
        ("diffusers", "4.0"),
        ("diffusers", "5.0"),
        ("", ""),
    ]
    assert rows[0]["prompt"] == 'a "cat", sitting'
    assert float(rows[0]["denoise"]) == pytest.approx(0.8)
    assert rows[-1]["error"] == "memory ran out"
    # Every row tells what it was measured on, and how.
    for row in rows:
        assert row["machine_name"] == "A CPU"
        assert row["torch_version"] == "2"
        assert (row["model"], row["dtype"], row["seed"]) == ("pocket", "float32", "7")
        assert (row["clip_skip"], row["strength"]) == ("2", "")


def test_ratios_are_computed_pair_by_pair() -> None:
    against = (Measurement(seconds=2.0), Measurement(seconds=1.0))
    assert cell([1.0, 2.0], against=against).ratios == (0.5, 2.0)


def test_computed_seconds_have_separate_ratios() -> None:
    samples = tuple(Measurement(seconds=9.0, cpu_seconds=each) for each in (1.0, 2.0, 3.0))
    against = (
        *(Measurement(seconds=1.0, cpu_seconds=4.0) for _ in range(2)),
        Measurement(seconds=1.0),
    )
    compared = cell([], samples=samples, against=against)
    assert compared.cpu_ratios == (0.25, 0.5)


def test_comparison_matches_cells_and_lists_differences() -> None:
    first = report(cell([1.0, 3.0]), cell([5.0], steps=50))
    second = report(cell([4.0, 4.0]), cell([9.0], steps=100), settings={"dtype": "bfloat16"})
    found = compare(first, second)
    (only,) = found.cells
    assert (only.first, only.second, only.ratio) == (2.0, 4.0, 2.0)
    assert (only.lowest, only.highest) == pytest.approx((4 / 3, 4.0))
    assert found.unmatched == 2
    assert found.differing == {"dtype": ("float32", "bfloat16")}


def test_every_setting_that_differs_is_listed() -> None:
    first = report(cell([1.0]))
    second = report(cell([1.0]), settings={"clip_skip": 2, "init_image": "/in.png"})
    found = compare(first, second)
    assert found.differing == {"clip skip": ("", "2"), "init image": ("", "/in.png")}


def test_report_of_another_version_keeps_unknown_settings(tmp_path: Path) -> None:
    result = report(cell([1.0]), settings={"new": [1, 2]})
    file = tmp_path / "a.json"
    file.write_text(result.model_dump_json())
    assert read_report(file).settings["new"] == [1, 2]


def test_reports_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(BenchError, match="in common"):
        compare(report(cell([1.0])), report(cell([1.0], steps=50)))
