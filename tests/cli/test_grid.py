"""`sdtui grid` and `sdtui sheet`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from sdtui.cli.sheet import save_sheet
from sdtui.core.errors import OutputError
from tests.support.command import Command

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the pictures in the test's folder."""
    monkeypatch.setenv("SDTUI_PICTURES", str(tmp_path / "pictures"))


def test_a_grid_with_two_models_loads_each_once_and_is_found_again(
    sdtui: Command, tiny_sd1: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_sd1, other)
    done = sdtui(
        *("grid", "a cat on a mat", "--size", "64x64"),
        *("--x", f"model={tiny_sd1},{other}", "--y", "prompt=cat,dog", "--z", "steps=1-2"),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    cells, sheets = records[:8], records[8:]
    assert len(sheets) == 3
    assert [record["request"]["model"] for record in cells] == [str(tiny_sd1)] * 4 + [
        str(other)
    ] * 4
    assert done.stderr.count(" ready · ") == 2
    place = cells[0]["grid"]
    assert (place["x"], place["y"], place["z"]) == (0, 0, 0)
    assert [axis["label"] for axis in place["grid"]["axes"]] == [
        "Checkpoint name",
        "Prompt S/R",
        "Steps",
    ]

    file = tmp_path / "contact.png"
    query = f"grid:{place['grid']['id']}"
    made = sdtui("sheet", query, "sheet:no", "-o", file, "--columns", "4", "--side", "64")
    assert made.stdout == f"{file}\n", made.stderr
    with Image.open(file) as image:
        assert image.width == 4 * 64 + 5 * 8
    again = sdtui("sheet", "--grid", place["grid"]["id"], "--json")
    assert len(json.loads(again.stdout)["sheets"]) == 3, again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--x", "steps=10,500"), "X axis, Steps: must be at most 150, not 500."),
        (("--z", "model=pocket,missing"), 'no model "missing"'),
        (("--x", "prompt=cat,<lora:none:1>"), "none"),
        (("--x", "seed=1-100", "--y", "size=2048x2048"), "make a sheet of 419 megapixels"),
        ((), "give at least one axis"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    sdtui: Command, arguments: tuple[str, ...], message: str
) -> None:
    done = sdtui("grid", "a cat", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert not done.stdout


def test_a_contact_sheet_of_nothing_is_an_error(sdtui: Command, tmp_path: Path) -> None:
    done = sdtui("sheet", "nothing", "-o", tmp_path / "sheet.png")
    assert "nothing was found" in done.stderr
    wrong = sdtui("sheet", "--caption", "colour")
    assert 'knows no "colour"' in wrong.stderr


def test_a_sheet_that_its_format_cannot_hold_is_an_error(
    tmp_path: Path,
) -> None:
    image = Image.new("1", (64, 70_000))
    with pytest.raises(OutputError, match="has 64 x 70,000 pixels"):
        save_sheet(image, tmp_path / "sheet.jpg")
    assert not (tmp_path / "sheet.jpg").exists()
    save_sheet(image, tmp_path / "sheet.png")
