"""The app in a real terminal: start, type, generate, look, search, reuse, cancel, resize, quit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sdtui import pocket
from sdtui.requests.request import GenerationRequest
from tests.support.terminal import ROOT, SCRIPTED, Terminal
from tests.support.terminal_keys import CTRL_C, CTRL_G, CTRL_O, CTRL_Q, ESCAPE, F2, F4, RIGHT

pytestmark = pytest.mark.slow

REAL = (
    "-c",
    "from sdtui.cli.backend import open_backend\n"
    "from sdtui.core.settings import load_settings\nfrom sdtui.tui import run_app\n"
    "settings = load_settings()\n"
    "raise SystemExit(run_app(settings, lambda _: open_backend(settings)))",
)
needs_pocket = pytest.mark.skipif(
    not (pocket.MODEL_FOLDER / "model_index.json").is_file(), reason="the pocket model isn't here"
)
SIZES = ((80, 24), (120, 36))


def saved(home: Path) -> list[Path]:
    """Return the pictures that were saved."""
    return list((home / "pictures").rglob("*.png"))


@pytest.mark.parametrize(
    ("program", "size"),
    [
        *((SCRIPTED, size) for size in SIZES),
        pytest.param(REAL, SIZES[0], marks=needs_pocket),
    ],
)
def test_a_whole_sitting(program: tuple[str, ...], size: tuple[int, int], tmp_path: Path) -> None:
    terminal = Terminal(program, tmp_path, size)
    terminal.until("Keys")
    terminal.send("a tiger [/red] [[x]]")
    terminal.until("a tiger [/red] [[x]]")
    terminal.send("\r")
    terminal.until("finished after", 90)
    terminal.until("▀")
    assert len(saved(tmp_path)) == 1

    terminal.send(F4)
    terminal.until("1/1")
    terminal.send("/tiger")
    terminal.until("1 found")
    terminal.send("\r")
    terminal.send("r")
    record = next((tmp_path / "pictures").rglob("*.json")).read_text()
    seed = record.partition('"seed":')[2].partition(",")[0].strip()
    terminal.until(lambda: re.search(rf"seed \S*{seed[-3:]}", terminal.text))

    terminal.resize(100, 30)
    terminal.until("[1 Gallery]")
    terminal.send(F2)
    terminal.send("!\r")
    terminal.send(CTRL_C + CTRL_C)
    # a scripted one may be finished before the key
    terminal.until(lambda: "■ cancelled" in terminal.text or len(saved(tmp_path)) == 2)
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


@pytest.mark.parametrize("size", SIZES)
def test_choose_from_eight_start_from_one_and_vary_it(
    size: tuple[int, int], tmp_path: Path
) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, size)
    terminal.until("Keys")
    terminal.send("a tiger on a blue background\r")
    terminal.until("1/1")
    terminal.send(CTRL_O)
    terminal.until("Pictures")
    terminal.send("n8\r")
    terminal.until("1/9")
    terminal.send("\t" + RIGHT)
    terminal.until("2/9")
    terminal.send("s")
    terminal.until("★")
    terminal.send("i")
    terminal.until("Strength")
    terminal.send("0.5\r")
    terminal.until("@0.5•")
    terminal.until("1/17")
    terminal.send("\t")
    terminal.until("Vary")
    terminal.send("vs")
    terminal.until("Vary · Sampler")
    terminal.send("heun\r")
    terminal.until("side by side")
    assert len(saved(tmp_path)) == 18
    terminal.send(ESCAPE)
    terminal.until("[1 Gallery]")
    terminal.send("/tiger\r")
    terminal.until("18 found")
    terminal.send("r")
    terminal.until("Heun")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_after_a_crash_the_last_picture_is_shown_and_the_queue_offered(tmp_path: Path) -> None:
    terminal = Terminal((*SCRIPTED, "300"), tmp_path)
    terminal.until("Keys")
    terminal.send("a cat\r")
    terminal.until("▶ ")
    terminal.kill()

    terminal = Terminal(SCRIPTED, tmp_path)
    terminal.until("Go on")
    terminal.send("\r")
    terminal.until("finished after")
    terminal.kill()

    terminal = Terminal(SCRIPTED, tmp_path)
    terminal.until("1/1")
    terminal.until("▀")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_cancelling_a_long_run(tmp_path: Path) -> None:
    terminal = Terminal((*SCRIPTED, "0.5"), tmp_path)
    terminal.until("Keys")
    terminal.send("a cat" + CTRL_G)
    terminal.until("denoising")
    terminal.send(CTRL_C)
    terminal.until("^c again stops the job")
    terminal.send(CTRL_C)
    terminal.until("■ cancelled")
    assert not (tmp_path / "pictures").exists()
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_quitting_does_not_wait_for_the_end_of_a_long_step(tmp_path: Path) -> None:
    terminal = Terminal((*SCRIPTED, "300"), tmp_path)
    terminal.until("Keys")
    terminal.send("a cat" + CTRL_G)
    terminal.until("▶ ")
    terminal.send(CTRL_Q)
    terminal.until("Quit?")
    terminal.send("\r")
    assert terminal.ended() == 0  # two seconds, and what a busy machine adds


def test_the_terminal_is_as_it_was_after_quitting(tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path)
    terminal.until("Keys")
    terminal.process.send(CTRL_Q)
    seen = b""
    while terminal.process.isalive():
        seen += terminal.read()
    seen += terminal.read(0.2)
    assert b"\x1b[?1049l" in seen
    assert b"\x1b[?25h" in seen


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"COLORTERM": "", "TERM": "xterm"}])
def test_few_colours_are_enough(environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(SCRIPTED, tmp_path, environment=environment)
    terminal.until("Keys")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb"}])
def test_without_a_terminal_one_line_names_the_command(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *REAL],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "sdtui generate" in done.stderr


def test_neither_torch_nor_the_engine_is_imported_by_the_app() -> None:
    code = (
        "import sys\nimport sdtui.tui.app, sdtui.tui.launch, sdtui.cli.keys\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'sdtui.engine', 'PIL', 'tokenizers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


def test_requests_survive_the_form() -> None:
    from sdtui.tui.fields import form_texts, parse_form

    request = GenerationRequest(
        prompt="a [b]", sampler="Euler a", num_inference_steps=12, guidance_scale=6.5, seed=7
    )
    assert parse_form(form_texts(request)) == request
