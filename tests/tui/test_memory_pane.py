"""The memory pane: every GPU over time, and sdtui's share."""

from __future__ import annotations

import pytest

from sdtui.monitor import GpuSample, Sample
from sdtui.tui.messages import Sampled
from sdtui.tui.panes.memory import wrapped
from tests.support.app_harness import AppHarness, running

GIB = 2**30


def gpus(count: int, used: int, own: int) -> tuple[GpuSample, ...]:
    """GPUs of 24 GiB each; sdtui uses the second."""
    return tuple(
        GpuSample(
            index,
            "a GPU",
            used * GIB,
            24 * GIB,
            own_memory=own * GIB if index == 1 else None,
            utilisation=90 + index,
            temperature=60 + index,
            power=300.0 + index,
        )
        for index in range(count)
    )


def sample(count: int, used: int = 12, own: int = 8) -> Sampled:
    """Return a sample of the monitor."""
    return Sampled(Sample(0.0, 20 * GIB, 64 * GIB, GIB, 7.0, gpus(count, used, own)))


async def seen(harness: AppHarness) -> str:
    """Return the lines of the pane."""
    await harness.settled()
    main = harness.app.main
    await harness.until(lambda: main.panes.memory.graph.sample is main.top_bar.sample)
    await harness.settled()
    place = harness.panes.memory.region
    lines = harness.screen_strips()[place.y : place.bottom]
    return "\n".join(line.crop(place.x, place.right).text for line in lines)


async def test_one_gpu_has_a_graph_over_its_readings(harness: AppHarness) -> None:
    async with running(harness, (200, 60)):
        for used, own in ((6, 2), (24, 20), (12, 8)):
            harness.app.main.post_message(sample(1, used, own))
        text = await seen(harness)
        assert "GPU 0 12.0/24.0  90 %  60 °C  300 W" in text
        assert "RAM 20.0/64.0  CPU 7 %  sdtui 1.0, peak 1.0" in text
        assert "█" in text


async def test_the_peak_is_remembered(harness: AppHarness) -> None:
    async with running(harness, (200, 60)):
        for own in (2, 20, 8):
            harness.app.main.post_message(sample(2, 22, own))
        assert "sdtui 8.0, peak 20.0" in await seen(harness)


async def test_the_first_line_is_about_the_gpu_that_sdtui_is_on(harness: AppHarness) -> None:
    async with running(harness):
        harness.app.main.post_message(sample(2))
        await harness.settled()
        assert "GPU  91 %" in str(harness.app.main.top_bar.render())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_of_many_gpus_every_one_can_be_reached(
    harness: AppHarness, size: tuple[int, int]
) -> None:
    async with running(harness, size):
        await harness.press("f3")
        harness.app.main.post_message(sample(8))
        harness.app.main.window.focus_pane(harness.panes.memory)
        text = await seen(harness)
        assert "▄" in text
        assert "GPU 1 12.0/24.0  91 %  61 °C" in text
        for _ in range(7):
            await harness.press("pagedown")
            text += await seen(harness)
        for index in range(8):
            assert f"GPU {index} 12.0/24.0" in text
        assert "sdtui 8.0, peak 8.0" in text
        assert "RAM 20.0/64.0  CPU" in text


async def test_unseen_nothing_is_drawn_and_then_the_newest_is_seen(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(harness, (80, 24)):
        main = harness.app.main
        await harness.press("f3")
        main.post_message(sample(1, used=6))
        await seen(harness)
        await harness.press("f4")
        drawn = harness.record_drawn(monkeypatch)
        main.panes.memory.show(sample(1, used=20).sample)
        main.top_bar.sample = main.panes.memory.graph.sample
        await harness.settled()
        assert drawn == {main.top_bar}
        await harness.press("f3")
        assert "GPU 0 20.0/24.0" in await seen(harness)


async def test_a_gpu_that_goes_away_is_no_longer_shown(harness: AppHarness) -> None:
    async with running(harness):
        harness.app.main.post_message(sample(2))
        harness.app.main.post_message(sample(0))
        text = await seen(harness)
        assert "GPU" not in text
        assert "Memory · RAM 20.0/64.0 GiB" in text


def test_readings_are_broken_where_they_are_too_long() -> None:
    assert wrapped(["one", "two", "three"], 8) == ["one  two", "  three"]
