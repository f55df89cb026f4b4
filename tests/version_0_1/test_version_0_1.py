"""What version 0.1 wrote is still read: pictures with their records, queue, settings, form and
benchmarks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sdtui.bench.compare import compare
from sdtui.bench.report import BenchReport, read_report
from sdtui.cli.history import history
from sdtui.core.enums import DType, MemoryMode, Policy, Speed
from sdtui.core.settings import load_settings
from sdtui.jobs.queue_file import QueueFile
from sdtui.tui.keymap import check_keymap
from sdtui.tui.state import load_state, state_file

_WRITTEN = Path(__file__).parent
_GREEN = _WRITTEN / "pictures" / "2026-11-28" / "162514-7-a-green-apple.png"


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pictures"
    shutil.copytree(_WRITTEN / "pictures", folder)
    monkeypatch.setenv("SDTUI_PICTURES", str(folder))
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(history, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def found(*words: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(run("search", *words, "--json"))["entries"]
    return entries


def test_pictures_are_searched(pictures: Path) -> None:
    assert len(found("apple")) == 3
    assert [each["seed"] for each in found("red", "apple", "seed:5")] == [5]


def test_pictures_are_marked_and_keep_the_mark(pictures: Path) -> None:
    (entry,) = found("seed:7")
    run("star", entry["path"])
    assert [each["seed"] for each in found("star:yes")] == [7]
    assert json.loads(_sidecar(pictures).read_text())["starred"] is True


def test_picture_without_its_json_gets_it_back(pictures: Path) -> None:
    _sidecar(pictures).unlink()
    assert len(found("green")) == 1
    assert json.loads(_sidecar(pictures).read_text())["request"]


def _sidecar(pictures: Path) -> Path:
    return pictures / _GREEN.relative_to(_WRITTEN / "pictures").with_suffix(".json")


def test_settings_and_renamed_keys_are_read() -> None:
    settings = load_settings(_WRITTEN / "config.toml", environment={})
    assert settings.policy is Policy.STRICT
    assert settings.memory_mode is MemoryMode.FULL
    assert settings.dtype is DType.FLOAT32
    assert settings.speed is Speed.FAST
    check_keymap(settings.keys)
    assert settings.keys == {
        "window.queue_tab": "f3",
        "window.history_tab": "ctrl+r",
        "orphaned_jobs.no": "backspace",
    }


def test_benchmark_is_read_and_compared_with_a_new_one() -> None:
    old = read_report(_WRITTEN / "bench.json")
    assert old.settings == {
        "model": "pocket",
        "sampler": "DDIM",
        "guidance_scale": 3.0,
        "seed": 0,
        "memory_mode": "full",
        "dtype": "bfloat16",
        "speed": "quality",
    }
    assert BenchReport.model_validate_json(old.model_dump_json()) == old
    new = old.model_copy(update={"settings": {**old.settings, "clip_skip": 2}})
    assert compare(old, new).differing == {"clip skip": ("", "2")}


def test_queue_goes_on(tmp_path: Path) -> None:
    shutil.copy(_WRITTEN / "queue-1-aa.json", tmp_path)
    half_done, waiting = QueueFile(tmp_path).take_over([])
    rest = half_done.remaining()
    assert rest is not None
    assert rest.request.seed == 8
    assert rest.request.num_images_per_prompt == 3
    assert "/pictures/in.png" in rest.model_dump_json()
    assert waiting.request.prompt == "a dog"


def test_form_is_read() -> None:
    shutil.copy(_WRITTEN / "tui.json", state_file())
    state = load_state()
    assert state.last_seed == 9
    assert dict(state.form) == {
        "prompt": "a fox",
        "init_image": "/pictures/in.png",
        "init_image_fit": "pad",
        "strength": "0.6",
        "policy": "strict",
        "num_inference_steps": "12",
    }
