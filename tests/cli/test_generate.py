"""`sdtui generate`, in a process of its own where that makes a difference."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdtui.requests.presets import save_preset
from tests.support.command import Command
from tests.support.tiny_other_families import make_flux

pytestmark = pytest.mark.slow


_QUICK = ("--steps", "2", "--size", "64x64")


def test_stdout_has_paths_and_stderr_progress(
    sdtui: Command, tiny_sd1: Path, tmp_path: Path
) -> None:
    done = sdtui("generate", "a cat", "-m", tiny_sd1, *_QUICK, "--count", "2", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert len(paths) == 2
    for path in paths:
        assert path.parent == tmp_path
        with Image.open(path) as image:
            assert image.size == (64, 64)
        assert path.with_suffix(".json").is_file()
    assert "step 2/2" in done.stderr
    assert "\x1b" not in done.stderr  # no bar where there is no terminal


def test_lost_gpu_ends_the_command_with_the_first_picture(
    sdtui: Command, tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdtui.engine.device import Device
    from sdtui.engine.pipeline_manager import StableDiffusionEngine

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(StableDiffusionEngine, "load", fail)
    monkeypatch.setattr(Device, "works", lambda _: False)
    monkeypatch.setattr(os, "_exit", sys.exit)
    file = tmp_path / "prompts.txt"
    file.write_text("one\ntwo\nthree\n")
    done = sdtui("generate", "--from", file, "-m", tiny_sd1, "-q")
    assert done.returncode == 1
    assert done.stderr.count("illegal memory access") == 1
    assert "Start sdtui again" in done.stderr


def test_many_prompts_give_one_json_array(sdtui: Command, tiny_sd1: Path, tmp_path: Path) -> None:
    lines = [{"prompt": "one", "seed": 1}, {"prompt": "two", "seed": 2, "num_inference_steps": 1}]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    done = sdtui(
        "generate", "--from", file, "-m", tiny_sd1, "--size", "64x64", "--json", "-q",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(record["prompt"], record["seed"]) for record in records] == [("one", 1), ("two", 2)]
    assert records[1]["settings"]["num_inference_steps"] == 1
    assert all(Path(record["images"][0]["path"]).is_file() for record in records)


def test_prompt_is_read_from_stdin(sdtui: Command, tiny_sd1: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "cat.jpg"
    done = sdtui(
        "generate", "-", "-m", tiny_sd1, *_QUICK, "-q", "-o", target, stdin="a\nlong prompt\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(target)]
    with Image.open(target) as image:
        assert image.format == "JPEG"
    record = json.loads(target.with_suffix(".json").read_text())
    assert record["prompt"] == "a\nlong prompt"


def test_like_takes_settings_that_flags_override(
    sdtui: Command, tiny_sd1: Path, tmp_path: Path
) -> None:
    first = tmp_path / "first.png"
    flags = ("--seed", "9", "--sampler", "Euler a", "--cfg", "3")
    assert sdtui("generate", "a cat", "-m", tiny_sd1, *_QUICK, *flags, "-o", first).returncode == 0
    same, other = tmp_path / "same.png", tmp_path / "other.png"
    assert sdtui("generate", "--like", first, "-o", same).returncode == 0
    assert sdtui("generate", "--like", first, "--seed", "10", "-o", other).returncode == 0
    with Image.open(first) as one, Image.open(same) as two, Image.open(other) as three:
        assert one.tobytes() == two.tobytes() != three.tobytes()


def test_preset_sets_values_that_flags_override(
    sdtui: Command, tiny_sd1: Path, tmp_path: Path
) -> None:
    values = {"model": str(tiny_sd1), "num_inference_steps": 1, "width": 64, "height": 64}
    save_preset("draft", values)
    flags = ("--steps", "2", "--preset", "draft", "--json", "-o", tmp_path / "a.png")
    done = sdtui("generate", "a cat", *flags)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["settings"]["num_inference_steps"] == 2
    assert record["model"]["source"] == str(tiny_sd1)
    assert record["settings"]["width"] == 64


def test_like_finds_the_model_of_a_jpeg_without_its_json(
    sdtui: Command, tiny_sd1: Path, tmp_path: Path
) -> None:
    first, copy = tmp_path / "first.jpg", tmp_path / "elsewhere" / "copy.jpg"
    assert sdtui("generate", "a cat", "-m", tiny_sd1, *_QUICK, "-o", first).returncode == 0
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    done = sdtui("generate", "--like", copy, "--json", "-o", tmp_path / "same.png")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["source"] == str(tiny_sd1)


def test_like_reports_that_the_model_is_unknown(sdtui: Command, tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", "Steps: 20, CFG scale: 7, Seed: 1")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=info)
    done = sdtui("generate", "--like", tmp_path / "a.png")
    assert done.returncode == 2
    assert "it doesn't say what model made it" in done.stderr
    assert "prompt: is missing" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([""], 2, "prompt: must not be empty"),
        (["x", "-m", "/no/such/model"], 1, "there is no file or folder /no/such/model"),
        (["x", "-m", "model.ckpt"], 1, "pickle"),
        (["x", "-m", "pokcet"], 1, 'Did you mean "pocket"?'),
        (["x", "--size", "100x100"], 2, "width: "),
        (["x", "--size", "big"], 2, "size: "),
        (["x", "--steps", "0"], 2, "num_inference_steps: "),
        (["x", "--sampler", "DPM++ 2M Caras"], 2, 'did you mean "DPM++ 2M Karras"?'),
        (["x", "--strength", "0.5"], 2, "init_image"),
        (["x", "--lora", "nothing:0.5"], 1, 'there is no LoRA "nothing"'),
        (["x", "--lora", "/no/such.safetensors"], 1, "there is no LoRA /no/such.safetensors"),
        (["x <lora:nothing:1>"], 1, 'there is no LoRA "nothing"'),
        (["x", "-o", "/proc/nowhere"], 1, "can't be written"),
        (["x", "-o", "picture.gif"], 2, ".png"),
        (["--from", "/no/such/file"], 1, "/no/such/file"),
        (["x", "--like", "/etc/hostname"], 1, "/etc/hostname"),
        (["x", "--preset", "none such"], 2, 'there is no preset "none such"'),
        ([], 2, "PROMPT"),
        (["x", "--no-such-flag"], 2, "--no-such-flag"),
    ],
)
def test_wrong_input_prints_one_line_with_a_hint(
    sdtui: Command, arguments: list[str], code: int, words: str
) -> None:
    done = sdtui("generate", *arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert len(done.stderr.splitlines()) == 1


def test_missing_network_prints_one_line(sdtui: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read when imported
    done = sdtui("generate", "x", "-m", "owner/name", "-q")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "HF_HUB_OFFLINE" in done.stderr


def test_escape_sequence_in_a_prompt_is_not_printed(sdtui: Command, tmp_path: Path) -> None:
    prompt = "cat \x1b]0;title\x07 " + "word " * 40
    model = make_flux(tmp_path / "flux")
    done = sdtui("generate", prompt, "-m", model, *_QUICK, "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cut:" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_interrupt_exits_with_130_and_leaves_no_partial_file(
    tiny_sd1: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "sdtui", "generate", "x", "-m", str(tiny_sd1),
            "--steps", "150", "-s", "Euler", "--size", "256x256", "-o", str(out),
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(("step", "expected")):
            break
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert list(out.iterdir()) == []


def test_unwritten_picture_is_not_said_to_be_in_memory(sdtui: Command, tiny_sd1: Path) -> None:
    done = sdtui("generate", "x", "-m", tiny_sd1, *_QUICK, "-q", "-o", "/proc/a.png")
    assert done.returncode == 1
    assert done.stderr.startswith("sdtui: /proc")
    assert "can't be written" in done.stderr
    assert "--out" in done.stderr
    assert "memory" not in done.stderr
