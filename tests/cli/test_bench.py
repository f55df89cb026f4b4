"""`sdtui bench`."""

from __future__ import annotations

import csv
import io
import itertools
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdtui.cli.bench import bench
from sdtui.requests.request import REQUEST_FIELDS
from tests.support.bench_reports import cell, report
from tests.support.command import Command

pytestmark = pytest.mark.slow

_SMALL = ("--steps", "2", "--size", "64x64", "--runs", "2")


def test_bench_against_diffusers_gives_the_same_pictures(
    sdtui: Command, tiny_sd1: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    done = sdtui(
        "bench",
        "a cat",
        *("-m", tiny_sd1, *_SMALL, "--dtype", "float32"),  # some CPUs would take bfloat16
        *("--against", "diffusers", "--json", "--out", file),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (only,) = found["cells"]
    assert len(only["samples"]) == len(only["against"]) == 2
    assert all(sample["seconds"] > 0 for sample in only["samples"] + only["against"])
    assert all(sample["cpu_seconds"] > 0 for sample in only["samples"] + only["against"])
    assert only["difference"] == 0
    for sample in only["samples"]:
        assert {"encode", "denoise", "decode"} <= set(sample["stages"])
        assert sum(sample["stages"].values()) <= sample["seconds"]
        # Every run encodes its prompt, as plain diffusers does.
        assert sample["stages"]["encode"] > 1e-4
    assert {"unet", "vae", "text_encoder"} <= set(found["load_timings"])
    assert found["complete"]
    assert "measured 1 of 1" in done.stderr
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["contender"] for row in rows] == ["sdtui"] * 2 + ["diffusers"] * 2


@contextmanager
def _interrupted_in_step(number: int) -> Iterator[None]:
    """Interrupt this process, as ^C does, in one of the steps of all runs."""
    from diffusers import UNet2DConditionModel
    from torch.nn.modules.module import register_module_forward_pre_hook

    steps = itertools.count(1)

    def interrupt(module: object, _: object) -> None:
        if isinstance(module, UNet2DConditionModel) and next(steps) == number:
            signal.raise_signal(signal.SIGINT)

    handle = register_module_forward_pre_hook(interrupt)
    try:
        yield
    finally:
        handle.remove()


def test_interrupted_bench_prints_finished_runs(sdtui: Command, tiny_sd1: Path) -> None:
    arguments = ("a cat", "a dog", "-m", tiny_sd1, "--steps", "2", "--size", "64x64")
    with _interrupted_in_step(20):
        done = sdtui("bench", *arguments, "--runs", "100", "--json")
    assert done.returncode == 130
    assert done.stderr.endswith("sdtui: interrupted.\n")
    found = json.loads(done.stdout)
    assert not found["complete"]
    assert found["cells"][0]["samples"]


def test_compare_prints_differences_of_two_reports(sdtui: Command, tmp_path: Path) -> None:
    for name, seconds in (("a", 1.0), ("b", 3.0)):
        (tmp_path / f"{name}.json").write_text(report(cell([seconds])).model_dump_json())
    files = (tmp_path / "a.json", tmp_path / "b.json")
    done = sdtui("bench", "--compare", *files)
    assert done.returncode == 0, done.stderr
    assert "3.000" in done.stdout
    assert (
        json.loads(sdtui("bench", "--compare", *files, "--json").stdout)["cells"][0]["ratio"] == 3
    )


def test_every_field_that_cells_do_not_vary_has_a_flag() -> None:
    varied = {"prompt", "num_inference_steps", "width", "height", "num_images_per_prompt"}
    before_engine = {"styles", "dynamic_prompts"}
    after_decoding = {
        name for name, field in REQUEST_FIELDS.items() if field.section in ("upscale", "redraw")
    }
    parameters = {parameter.name for parameter in bench.params}
    expected = set(REQUEST_FIELDS) - varied - before_engine - after_decoding - {"policy"}
    assert parameters >= expected
    assert "policy" not in parameters  # nothing is tried again


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--steps", "many"), "--steps"),
        (("--steps", "0"), "num_inference_steps"),
        (("--size", "63x64"), "width"),
        (("--size", "big"), "size"),
        (("--out", "a.txt"), "--out"),
        (("--against", "comfy"), "--against"),
        (("--json", "--csv"), "exclude"),
        (("--compare", "a.json", "b.json", "--csv"), "--compare"),
        (("--compare", "a.json", "b.json", "--steps", "20"), "--compare"),
        (("--against", "one-by-one"), "--count"),
        (("--runs", "0"), "--runs"),
        (("--speed", "warp"), "--speed"),
        (("--clip-skip", "13"), "clip_skip"),
        (("--strength", "0.5"), "strength"),
        (("--compare", "a.json", "b.json", "--clip-skip", "2"), "--compare"),
        ((" ",), "prompt"),
    ],
)
def test_wrong_arguments_are_refused_before_measuring(
    sdtui: Command, arguments: tuple[str, ...], words: str
) -> None:
    done = sdtui("bench", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_missing_report_is_refused(sdtui: Command, tmp_path: Path) -> None:
    done = sdtui("bench", "--compare", tmp_path / "a.json", tmp_path / "b.json")
    assert done.returncode == 1
    assert "is not a readable benchmark" in done.stderr
