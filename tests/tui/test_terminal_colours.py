"""How many colours the app uses, and that it says why they are few."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image
from rich.color import Color, ColorSystem
from rich.segment import Segment

from sdtui.core import runtime
from sdtui.core.enums import Colours
from sdtui.core.settings import load_settings
from sdtui.tui.images.dithering import dithered, palette_of
from sdtui.tui.images.halfcell import Pixels, draw
from sdtui.tui.terminal import environment
from sdtui.tui.terminal.colours import ColourChoice, colours_after_asking, colours_before_asking
from sdtui.tui.terminal.probe import capabilities_in, questions
from sdtui.tui.terminal.tmux import TmuxQuestion
from tests.support.terminal import SCRIPTED, Terminal
from tests.support.terminal_keys import CTRL_Q

LAST = b"\x1b[?62;22c"
SAYS_TRUE_COLOUR = [
    b"\x1bP1$r0;48:2::1:2:3m\x1b\\",  # xterm, Kitty
    b"\x1bP1$r48:2:1:2:3m\x1b\\",  # VTE
    b"\x1bP1$r0;48;2;1;2;3m\x1b\\",  # Windows Terminal
    b"\x1bP1$r48:2:0:1:2:3m\x1b\\",
    b"\x1bP1+r524742=38\x1b\\",
    b"\x1bP1+r5463\x1b\\",
]
SAYS_OTHERWISE = [
    b"",
    b"\x1bP0$r\x1b\\\x1bP0+r524742\x1b\\",
    b"\x1bP1$r0;48:5:16m\x1b\\",
    b"\x1bP1$r0m\x1b\\",
]
BARE_APC = re.compile(rb"(?<!\x1b)\x1b_")
"""The beginning of an APC that isn't wrapped for tmux, which takes it for a title."""
OVER_SSH = {"SSH_CONNECTION": "1 2 3 4", "TERM": "xterm-256color", "COLORTERM": ""}


@pytest.mark.parametrize("answer", SAYS_TRUE_COLOUR)
def test_terminal_says_that_it_has_true_colour(answer: bytes) -> None:
    assert capabilities_in(b"a" + answer + LAST + b"b").true_colour


@pytest.mark.parametrize("answer", SAYS_OTHERWISE)
def test_terminal_does_not_say_that_it_has_true_colour(answer: bytes) -> None:
    assert not capabilities_in(answer + LAST).true_colour


@pytest.mark.parametrize(
    ("environment", "wrapped"),
    [
        ({"TMUX": "/tmp/tmux,1,0"}, True),
        ({"TERM": "tmux-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux,1,0"}, True),
        ({"TERM": "screen-256color"}, False),
        ({"TERM": "xterm", "STY": "1.pts"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "vt220"}, False),
    ],
)
def test_no_question_becomes_a_title_or_text(
    environment: dict[str, str], wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    asked = questions()
    assert not BARE_APC.search(asked.encode())
    assert ("\x1bPtmux;" in asked) == wrapped
    assert asked.endswith("\x1b[c")
    assert wrapped or "\x1bP" not in asked


def colour_app(home: Path, environment: dict[str, str], answer: bytes) -> Terminal:
    """Return the app over SSH, in a terminal that gives this answer."""
    terminal = Terminal(SCRIPTED, home, environment=OVER_SSH | environment, answer=answer)
    terminal.until("Keys")
    terminal.watch(1)
    return terminal


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "answer", "colour"),
    [
        ({}, SAYS_TRUE_COLOUR[0] + LAST, b"38;2;"),
        ({}, SAYS_OTHERWISE[1] + LAST, b"38;5;"),
        ({"SDTUI_COLOURS": "16"}, SAYS_TRUE_COLOUR[0] + LAST, b"\x1b[3"),
        ({"SDTUI_COLOURS": "256", "COLORTERM": "truecolor"}, b"", b"38;5;"),
    ],
)
def test_colours_of_the_app(
    environment: dict[str, str], answer: bytes, colour: bytes, tmp_path: Path
) -> None:
    terminal = colour_app(tmp_path, environment, answer)
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert colour in terminal.sent
    for other in {b"38;2;", b"38;5;"} - {colour}:
        assert other not in terminal.sent.replace(b"\x1b[48;2;1;2;3m", b"")


@pytest.mark.parametrize(
    ("variables", "chosen", "colours"),
    [
        ({"COLORTERM": ""}, Colours.TRUE, Colours.TRUE),
        ({"COLORTERM": ""}, Colours.EIGHT_BIT, Colours.EIGHT_BIT),
        ({"COLORTERM": "truecolor"}, Colours.AUTO, Colours.TRUE),
        ({"COLORTERM": "", "TERM": "unknown"}, Colours.AUTO, Colours.FOUR_BIT),
        ({"COLORTERM": "", "TERM": "xterm-256color"}, Colours.AUTO, None),
    ],
)
def test_terminal_is_asked_only_if_nothing_else_says_the_colours(
    variables: dict[str, str],
    chosen: Colours,
    colours: Colours | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    choice = colours_before_asking(chosen)
    assert (choice and choice.colours) == colours


def tmux_of(script: str, folder: Path) -> Path:
    """Write a program `tmux` that runs a script."""
    tmux = folder / "bin" / "tmux"
    tmux.parent.mkdir()
    tmux.write_text(f"#!/bin/sh\n{script}\n")
    tmux.chmod(0o755)
    return tmux


@pytest.mark.parametrize(
    ("script", "answer"), [("echo bpaste,title", "bpaste,title"), ("exit 1", "")]
)
def test_tmux_that_fails_says_nothing(
    script: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{tmux_of(script, tmp_path).parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    question = TmuxQuestion()
    assert question.answer() == answer
    assert not question.settings().true_colour


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "colour"),
    [
        ("echo bpaste,RGB,title", b"38;2;"),
        ("exec sleep 30", b"38;5;"),
    ],
)
def test_tmux_is_asked_for_its_colours(script: str, colour: bytes, tmp_path: Path) -> None:
    tmux = tmux_of(script, tmp_path)
    inside = {"TMUX": "/tmp/tmux,1,0", "TERM": "tmux-256color", "SDTUI_IMAGE_PROTOCOL": "auto"}
    path = f"{tmux.parent}:{os.environ['PATH']}"
    terminal = colour_app(tmp_path, inside | {"PATH": path}, LAST)
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
    assert colour in terminal.sent
    assert not BARE_APC.search(terminal.sent)


@pytest.mark.slow
def test_log_says_why_there_are_few_colours(tmp_path: Path) -> None:
    terminal = colour_app(tmp_path, {}, LAST)
    terminal.send("\t")
    terminal.until("Search")
    terminal.send("5")
    terminal.until('256 colours; colours = "24bit"')
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


@pytest.mark.slow
def test_doctor_says_why_there_are_few_colours(tmp_path: Path) -> None:
    doctor = ("-m", "sdtui", "doctor", "--json")
    terminal = Terminal(doctor, tmp_path, (200, 60), OVER_SSH, LAST)
    assert terminal.ended() in (0, 1)
    report = json.loads(terminal.sent[terminal.sent.index(b"{") :].decode())
    assert report["terminal"]["colours"].startswith("256 colours")
    assert "24bit" in report["terminal"]["colours"]
    with_all = colours_after_asking(capabilities_in(SAYS_TRUE_COLOUR[0] + LAST)).about
    assert with_all.startswith("true colour")
    assert "24bit" not in with_all


@pytest.mark.parametrize("line", ["colours = 256", 'colours = "256"'])
def test_numbers_of_colours_need_no_quotes(line: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(line)
    assert load_settings(file, {}).colours is Colours.EIGHT_BIT


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NO_COLOR", "TMUX", "STY"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("TERM", "xterm")
    assert colours_before_asking(Colours.TRUE) == ColourChoice(Colours.TRUE, "the setting colours")
    assert not environment.in_tmux()
    assert not environment.in_screen()
    runtime.skip_empty_no_color()
    assert "NO_COLOR" not in os.environ


def test_no_color_counts_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    choice = colours_before_asking(Colours.TRUE)
    assert choice is not None
    assert choice.colours is Colours.AUTO
    assert choice.about == "no colours (NO_COLOR is set)"


@pytest.mark.parametrize(
    ("system", "rich"), [("256", ColorSystem.EIGHT_BIT), ("standard", ColorSystem.STANDARD)]
)
def test_pictures_of_few_colours_are_dithered(system: str, rich: ColorSystem) -> None:
    wide = Image.linear_gradient("L").rotate(90).resize((80, 40)).convert("RGB")
    shown = draw(dithered(Pixels(80, 40, wide.tobytes()), 80, 20, system), 80, 20)
    colours = [colour for strip in shown for part in strip for colour in colours_of(part)]
    means = [
        sum(colours_of(part)[0].get_truecolor()[0] for strip in shown for part in cut(strip, at))
        for at in (0, 20, 40, 60)
    ]
    assert means == sorted(means) or means == sorted(means, reverse=True)
    used = {colour.downgrade(rich).number for colour in colours}
    assert len(used) > 3
    known = {Color.from_rgb(*rgb).downgrade(rich).number for rgb in palette_of(system)}
    assert used <= known


def colours_of(segment: Segment) -> list[Color]:
    """Return the colours of the upper and lower pixels."""
    assert segment.style is not None
    return [each for each in (segment.style.color, segment.style.bgcolor) if each is not None]


def cut(strip: object, at: int) -> list[Segment]:
    """Return 20 cells of a strip."""
    from textual.strip import Strip

    assert isinstance(strip, Strip)
    return [Segment(letter, part.style) for part in strip.crop(at, at + 20) for letter in part.text]


def test_pictures_of_all_colours_are_as_before() -> None:
    picture = Pixels(2, 2, bytes(range(12)))
    assert dithered(picture, 2, 1, "truecolor") is picture
    assert dithered(picture, 2, 1, None) is picture
