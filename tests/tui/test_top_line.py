"""The first line: what it says, and what leaves first where it is narrow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot

from sdtui.core.enums import EventLevel
from sdtui.monitor import GpuSample, Sample
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.line_parts import shortened_in_the_middle, shortened_sentence
from sdtui.tui.widgets.sparkline import sparkline
from sdtui.tui.widgets.top_line import ShownConnection, TopLine

GIB = 2**30
RUNNING = ShownProgress(
    job="a", is_running=True, stage="denoising", step=12, total=20, speed=3.2, remaining=3.1
)


def sample(used: float, own: float | None = None, *, gpu: bool = True) -> Sample:
    """Return a sample of a GPU of 24 GiB, or of a machine of 12 GiB."""
    own_bytes = None if own is None else int(own * GIB)
    memory = GpuSample(
        0, "a GPU", int(used * GIB), 24 * GIB, own_bytes, utilisation=97, temperature=61
    )
    return Sample(0.0, int(used * GIB), 12 * GIB, own_bytes or 0, 12.0, (memory,) if gpu else ())


class LineApp(ThemedApp):
    def __init__(self) -> None:
        super().__init__()
        self.line = TopLine()

    def compose(self) -> ComposeResult:
        yield self.line


@asynccontextmanager
async def shown(width: int = 120) -> AsyncIterator[tuple[TopLine, Pilot[int]]]:
    """Run an app that has only the line."""
    app = LineApp()
    async with app.run_test(size=(width, 3)) as pilot:
        app.line.model = "pocket · cpu bf16"
        yield app.line, pilot


async def test_a_running_job_shows_steps_bar_time_and_queue() -> None:
    async with shown() as (line, _):
        line.progress, line.queued = RUNNING, (4, 70.0)
        text = line.render().plain
        assert "▶ 12/20 ━━━" in text
        assert "── 3 s" in text
        assert "· 4 queued 1:10" in text


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (ShownProgress(stage="loading PyTorch"), "▶ loading PyTorch"),
        (ShownProgress(stage="loading", message="unet", step=3, total=5), "▶ loading unet 3/5 ━"),
        (ShownProgress(stage="encoding prompt"), "▶ encoding prompt"),
        (ShownProgress(stage="decoding", which="picture 2 of 8"), "▶ decoding · picture 2 of 8"),
        (
            ShownProgress(stage="denoising", step=3, total=9, stopping="stops after this step"),
            "◌ 3/9 stops after this step",
        ),
        (ShownProgress(message="pocket ready · 8.1 s"), "pocket ready · 8.1 s"),
        (ShownProgress(outcome=EventLevel.SUCCESS, message="finished"), "✓ finished"),
        (ShownProgress(outcome=EventLevel.WARNING, message="cancelled"), "■ cancelled"),
        (ShownProgress(outcome=EventLevel.ERROR, message="failed"), "✗ failed"),
    ],
)
async def test_every_state_has_a_sign_and_words(progress: ShownProgress, said: str) -> None:
    async with shown() as (line, _):
        line.progress = progress
        assert said in line.render().plain


async def test_a_paused_queue_says_so() -> None:
    async with shown() as (line, _):
        line.queued, line.paused = (4, None), True
        assert "‖ paused · 4 queued" in line.render().plain


async def test_memory_has_a_graph_and_a_sign_near_its_limit() -> None:
    async with shown() as (line, _):
        line.sample = sample(12.0)
        assert "VRAM" in line.render().plain
        assert "12.0/24  GPU 97 %  61 °C" in line.render().plain
        line.sample = sample(23.5)
        assert "23.5/24!" in line.render().plain
        line.sample = sample(6.8, 0.5, gpu=False)
        assert "6.8/12  CPU 12 %" in line.render().plain


async def test_what_others_hold_is_out_of_the_models_reach() -> None:
    async with shown() as (line, _):
        line.sample = sample(23.0, 4.0)
        assert "!" not in line.render().plain
        line.sample = sample(23.8, 4.0)
        assert "23.8/24!" in line.render().plain


async def test_a_download_shows_its_share() -> None:
    async with shown() as (line, _):
        line.download = 0.45
        assert line.render().plain.endswith("↓ 45%")


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (60, ("pocket", "▶ 12/20", "3 s", "4 queued", "VRAM 9.0/24"), ("GPU", "cpu bf16")),
        (80, ("sdtui", "pocket", "▶ 12/20", "━", "4 queued", "⣀"), ("61 °C", "cpu bf16")),
        (200, ("pocket · cpu bf16", "3.2 it/s", "1:10", "GPU 97 %", "61 °C"), ()),
    ],
)
async def test_the_least_important_leaves_first(
    width: int, there: tuple[str, ...], gone: tuple[str, ...]
) -> None:
    async with shown(width) as (line, _):
        line.sample, line.progress, line.queued = sample(9.0), RUNNING, (4, 70.0)
        text = line.render().plain
        assert line.render().cell_len <= width - 2
        assert all(each in text for each in there)
        assert not any(each in text for each in gone)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
async def test_a_long_error_leaves_space_for_the_model(width: int) -> None:
    async with shown(width) as (line, _):
        line.sample, line.queued = sample(9.0), (4, None)
        message = "failed: /home/ann/pictures/not-a-picture.png can't be read. Choose another"
        line.progress = ShownProgress(outcome=EventLevel.ERROR, message=message)
        text = line.render().plain
        assert line.render().cell_len <= width - 2
        assert "✗ failed" in text
        assert "another" in text


async def test_it_is_drawn_only_when_its_text_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown() as (line, pilot):
        line.sample = sample(9.0)
        await pilot.pause()
        drawn: list[bool] = []
        monkeypatch.setattr(line, "refresh", lambda: drawn.append(True))
        line.progress = RUNNING
        assert len(drawn) == 1
        line.progress = ShownProgress(**{**vars(RUNNING), "remaining": 3.2})
        line.model = "pocket · cpu bf16"
        assert len(drawn) == 1


async def test_text_of_a_model_is_no_markup() -> None:
    async with shown() as (line, _):
        line.model = "[red]\x1b[31mmodel\n[/]"
        text = line.render().plain
        assert "[red]" in text
        assert "\x1b" not in text


async def test_connection_stands_first_and_what_is_done_about_it_stays_where_it_is_narrow() -> None:
    lost = ShownConnection("gpu1", "reconnecting, 8 s", "[b]no[/b]")
    async with shown(200) as (line, _):
        line.connection = ShownConnection("gpu1")
        assert line.render().plain.startswith("sdtui · gpu1  pocket · cpu bf16")
        line.connection = lost
        assert "sdtui · gpu1 · reconnecting, 8 s: [b]no" in line.render().plain
    async with shown(60) as (line, _):
        line.connection, line.progress, line.sample = lost, RUNNING, sample(3)
        assert line.render().plain.startswith("gpu1 · reconnecting, 8 s  pocket  ")
        line.connection = ShownConnection("gpu1")
        assert line.render().plain.startswith("sdtui · gpu1  pocket  ")


def test_a_graph_shows_the_newest_shares() -> None:
    assert sparkline([], 2) == "⣀⣀"
    assert sparkline([1.0], 2) == "⣀⣸"
    assert sparkline([0.0, 0.3, 0.6, 1.0], 2) == "⣠⣾"
    assert sparkline([1.0] * 100, 3) == "⣿⣿⣿"


@pytest.mark.parametrize(
    ("columns", "shortened"), [(20, "abcdefghij"), (10, "abcdefghij"), (7, "abcd…ij"), (1, "…")]
)
def test_long_texts_lose_their_middle(columns: int, shortened: str) -> None:
    assert shortened_in_the_middle("abcdefghij", columns) == shortened


def test_long_sentences_keep_their_words_and_the_ends_of_paths() -> None:
    sentence = "/home/ann/pictures/2026-11-29/020054-a-red-apple.png can't be written: no space"
    assert shortened_sentence(sentence, 100) == sentence
    assert (
        shortened_sentence(sentence, 60)
        == "…-11-29/020054-a-red-apple.png can't be written: no space"
    )
    assert shortened_sentence(sentence, 45) == "…a-red-apple.png can't be written: no space"


def test_wide_letters_count_twice() -> None:
    assert shortened_in_the_middle("日本語日本語日本語", 7) == "日本…語"
