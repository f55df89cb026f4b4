"""What `--out` takes, before and after pictures are made."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sdtui.cli.destination import open_destination
from sdtui.core.errors import SdtuiError
from sdtui.jobs import Output
from sdtui.requests.request import GenerationRequest

_ONE = (GenerationRequest(prompt="x"),)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def output_of(out: str, *requests: GenerationRequest) -> Output:
    with open_destination(out, requests or _ONE, as_json=False) as destination:
        assert not destination.has_no_files
        return destination.output


def refusal(out: str, *requests: GenerationRequest, as_json: bool = False) -> str:
    with (
        pytest.raises(SdtuiError) as caught,
        open_destination(out, requests or _ONE, as_json=as_json),
    ):
        pass
    return str(caught.value)


@pytest.mark.parametrize("out", ["a", "v1.5/", "b.png/", "new/er/", "x.", "a b/", "c.png/.", "."])
def test_name_with_a_slash_or_without_an_ending_is_a_folder(out: str) -> None:
    assert output_of(out) == Output(folder=Path(out))
    assert Path(out).is_dir()


def test_existing_folder_with_an_ending_is_a_folder() -> None:
    for name in ("b.png", "v1.5"):
        Path(name).mkdir()
        assert output_of(name).folder == Path(name)


@pytest.mark.parametrize("out", ["a.PNG", "new/a.jpeg", "-x.png", "a\nb.webp", "." + "x.jpg"])
def test_picture_ending_of_any_case_is_a_file(out: str) -> None:
    output = output_of(out)
    assert output.file == Path(out)
    assert Path(out).parent.is_dir()


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert output_of("~/a.png").file == tmp_path / "home" / "a.png"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("", "must not be empty"),
        ("b.gif", 'take .png, .jpg or .webp, or for a folder "b.gif/"'),
        ("a.png ", "ends like a file"),
        ("file", "there is a file of that name"),
        ("file/a.png", "there is a file of that name"),
        ("file/", "there is a file of that name"),
        ("\udcff.png", "no valid text (UTF-8)"),
        ("x" * 252 + ".png", "File name too long"),
        ("é" * 126 + ".png", "File name too long"),
        ("x" * 300, "File name too long"),
        ("/proc/new", "can't be written"),
    ],
)
def test_names_that_cannot_be_written_are_refused_before_the_run(out: str, message: str) -> None:
    Path("file").touch()
    assert message in refusal(out)


def test_numbers_count_for_the_length_of_a_name() -> None:
    several = GenerationRequest(prompt="x", num_images_per_prompt=2)
    assert "File name too long" in refusal("x" * 251 + ".png", several)
    assert "many prompts" in refusal("a.png", *_ONE, *_ONE)


def test_stdout_takes_one_picture_without_json() -> None:
    several = GenerationRequest(prompt="x", num_images_per_prompt=2)
    assert "takes one picture" in refusal("-", several)
    assert "takes one picture" in refusal("-", *_ONE, *_ONE)
    assert "mix the picture with the JSON" in refusal("-", as_json=True)
    with open_destination("-", _ONE, as_json=False) as destination:
        assert destination.is_stdout
        folder = destination.output.folder
        assert folder is not None
        assert folder.is_dir()
    assert not folder.exists()


def test_pipes_and_devices_are_streams() -> None:
    os.mkfifo("pipe.jpg")
    for name, picture_format in (("pipe.jpg", "jpeg"), ("/dev/null", "png")):
        with open_destination(name, _ONE, as_json=False) as destination:
            assert destination.stream == Path(name)
            assert destination.output.format == picture_format


def test_picture_goes_to_stdout_alone(tiny_sd1: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sdtui", "generate", "a cat", "-m", str(tiny_sd1)),
            *("--steps", "1", "--size", "64x64", "-o", "-"),
        ],
        capture_output=True,
        env={**os.environ, "SDTUI_PICTURES": str(tmp_path / "pictures")},
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as opened:
        assert (opened.format, opened.size) == ("PNG", (64, 64))
    assert done.stdout.endswith(b"IEND\xaeB`\x82")
    assert not list(tmp_path.rglob("*.png"))
    assert b"saved" not in done.stderr


def test_json_that_is_no_record_is_not_replaced() -> None:
    Path("package.json").write_text("{}", encoding="utf-8")
    Path("b-2.json").write_text("{}", encoding="utf-8")
    several = GenerationRequest(prompt="x", num_images_per_prompt=2)
    assert "is not a picture's JSON" in refusal("package.png")
    assert "is not a picture's JSON" in refusal("b.png", several)
    assert output_of("b.png").file == Path("b.png")


@pytest.mark.parametrize("out", ["-", "a.png", "folder/"])
def test_no_prompts_need_no_pictures(out: str) -> None:
    with open_destination(out, (), as_json=False) as destination:
        assert destination.output


def test_closed_stdout_takes_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    assert "stdout is closed" in refusal("-")


def test_file_url_is_a_path(tmp_path: Path) -> None:
    assert output_of(f"{tmp_path.as_uri()}/a%20b.png").file == tmp_path / "a b.png"
    assert "another machine" in refusal("file://elsewhere.example/a.png")
