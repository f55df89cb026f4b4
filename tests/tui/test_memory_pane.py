"""The memory pane: every GPU, over time, with what sdtui holds of it."""

from __future__ import annotations

import pytest
from textual.widget import Widget

from sdtui.monitor import GpuSample, Sample
from sdtui.tui.messages import Sampled
from sdtui.tui.panes.memory import wrapped
from tests.support.app_harness import AppHarness, running

GIB = 2**30


def gpus(count: int, used: int, own: int) -> tuple[GpuSample, ...]:
    """Of 24 GiB each; sdtui is on the second."""
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
    """What the monitor tells."""
    return Sampled(Sample(0.0, 20 * GIB, 64 * GIB, GIB, 7.0, gpus(count, used, own)))


async def seen(bench: AppHarness) -> str:
    """The lines of the pane."""
    await bench.settled()
    main = bench.app.main
    await bench.until(lambda: main.panes.memory.graph.sample is main.top_bar.sample)
    await bench.settled()
    place = bench.app.main.panes.memory.region
    lines = bench.app.screen._compositor.render_strips()[place.y : place.bottom]
    return "\n".join(line.crop(place.x, place.right).text for line in lines)


async def test_one_gpu_has_a_graph_over_its_readings(bench: AppHarness) -> None:
    async with running(bench, (200, 60)):
        for used, own in ((6, 2), (24, 20), (12, 8)):
            bench.app.main.post_message(sample(1, used, own))
        text = await seen(bench)
        assert "GPU 0 12.0/24.0  90 %  60 °C  300 W" in text
        assert "RAM 20.0/64.0  CPU 7 %  sdtui 1.0, peak 1.0" in text
        assert "█" in text


async def test_the_peak_is_remembered(bench: AppHarness) -> None:
    async with running(bench, (200, 60)):
        for own in (2, 20, 8):
            bench.app.main.post_message(sample(2, 22, own))
        assert "sdtui 8.0, peak 20.0" in await seen(bench)


async def test_the_first_line_is_about_the_gpu_that_sdtui_is_on(bench: AppHarness) -> None:
    async with running(bench):
        bench.app.main.post_message(sample(2))
        await bench.settled()
        assert "GPU  91 %" in str(bench.app.main.top_bar.render())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_of_many_gpus_every_one_can_be_reached(
    bench: AppHarness, size: tuple[int, int]
) -> None:
    async with running(bench, size):
        await bench.press("f3")
        bench.app.main.post_message(sample(8))
        bench.app.main.window.focus_pane(bench.app.main.panes.memory)
        text = await seen(bench)
        assert "▄" in text
        assert "GPU 1 12.0/24.0  91 %  61 °C" in text
        for _ in range(7):
            await bench.press("pagedown")
            text += await seen(bench)
        for index in range(8):
            assert f"GPU {index} 12.0/24.0" in text
        assert "sdtui 8.0, peak 8.0" in text
        assert "RAM 20.0/64.0  CPU" in text


async def test_unseen_nothing_is_drawn_and_then_the_newest_is_seen(
    bench: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(bench, (80, 24)):
        main = bench.app.main
        await bench.press("f3")
        main.post_message(sample(1, used=6))
        await seen(bench)
        await bench.press("f4")
        drawn: set[Widget] = set()
        update = main._compositor.update_widgets

        def noted(widgets: set[Widget]) -> None:
            drawn.update(widgets)
            update(widgets)

        monkeypatch.setattr(main._compositor, "update_widgets", noted)
        main.panes.memory.show(sample(1, used=20).sample)
        main.top_bar.sample = main.panes.memory.graph.sample
        await bench.settled()
        assert drawn == {main.top_bar}
        await bench.press("f3")
        assert "GPU 0 20.0/24.0" in await seen(bench)


async def test_a_gpu_that_goes_away_is_no_longer_shown(bench: AppHarness) -> None:
    async with running(bench):
        bench.app.main.post_message(sample(2))
        bench.app.main.post_message(sample(0))
        text = await seen(bench)
        assert "GPU" not in text
        assert "Memory · RAM 20.0/64.0 GiB" in text


def test_readings_are_broken_where_they_are_too_long() -> None:
    assert wrapped(["one", "two", "three"], 8) == ["one  two", "  three"]
