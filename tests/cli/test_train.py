"""`sdtui train`."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from sdtui.models.headers import read_header
from tests.support.command import Command


def test_a_lora_is_trained_in_a_process_of_its_own(sdtui: Command, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "5_zorb"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64), "purple").save(folder / "one.png")
    done = sdtui(
        *("train", "lora", folder.parent, "--name", "a zorb", "--out", tmp_path / "out"),
        *("--resolution", "64", "--steps", "2", "--rank", "2", "--json", "--quiet"),
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["step"] for each in events if each["kind"] == "step"] == [1, 2]
    assert events[-1]["kind"] == "finished"
    header = read_header(Path(events[-1]["path"]))
    assert header.metadata["ss_tag_frequency"] == '{"5_zorb": {"zorb": 1}}'
    assert header.metadata["ss_base_model_version"] == "pocket"
    listed = sdtui("train", "list")
    assert listed.stdout == f"a zorb  step 2 of 2  finished  {events[-1]['path']}\n"


def test_wrong_values_are_named_before_anything_is_loaded(sdtui: Command, tmp_path: Path) -> None:
    done = sdtui("train", "lora", tmp_path, "--rank", "0")
    assert done.returncode == 2
    assert "rank: must be at least 1" in done.stderr
    assert "output_name: is missing" in done.stderr
    done = sdtui("train", "lora", tmp_path / "missing", "--name", "x")
    assert f"there is no folder {tmp_path}/missing" in done.stderr
