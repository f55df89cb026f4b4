"""Choosing a model, and loading it behind the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import DownloadError
from sdtui.tui.screens.models import ModelScreen
from tests.tui.scripted import Bench, running


async def choosing(bench: Bench) -> ModelScreen:
    """Open the chooser and wait until it knows what is installed."""
    await bench.pilot.press("ctrl+l")
    await bench.until(lambda: isinstance(bench.app.screen, ModelScreen))
    screen = bench.app.screen
    assert isinstance(screen, ModelScreen)
    await bench.until(lambda: screen.choices.count)
    return screen


async def test_choosing_fills_the_form(bench: Bench) -> None:
    async with running(bench):
        bench.app.main.parameters.fill({"model": "other"})
        screen = await choosing(bench)
        assert [offer.name for offer in screen.choices.shown] == ["pocket"]
        await bench.pilot.press("enter")
        await bench.until(lambda: bench.app.main.texts["model"] == "pocket")


async def test_a_hub_id_that_is_not_there_is_offered_for_download(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> Path:
        raise DownloadError("owner/name can't be downloaded", "Check the network")

    monkeypatch.setattr("sdtui.models.hub.download_model", no_network)
    async with running(bench):
        screen = await choosing(bench)
        screen.filter.value = "owner/name"
        await bench.until(lambda: screen.choices.shown[0].name == "owner/name")
        await bench.pilot.press("enter")
        await bench.until(lambda: "Check the network" in str(screen.status.render()))
        await bench.pilot.press("escape")
        assert bench.at_main


async def test_a_model_is_loaded_behind_the_window_and_can_be_cancelled(bench: Bench) -> None:
    engine = bench.generator.engine
    async with running(bench):
        progress = bench.app.main.live
        engine.hold.set()
        bench.queue.load("big")
        await bench.until(lambda: progress.progress.stage == "loading")
        assert not progress.progress.is_running
        await bench.pilot.press("ctrl+x")
        await bench.until(lambda: progress.progress.message == "cancelled")
        engine.hold.clear()
        bench.queue.load("small")
        await bench.until(lambda: "small is ready" in progress.progress.message)
        assert "big" not in engine.loaded
        assert engine.loaded[-1] == "small"
        assert "small" in bench.app.main.top_bar.model


async def test_a_job_goes_before_a_model_that_is_only_wanted(bench: Bench) -> None:
    async with running(bench):
        bench.generator.hold.set()
        await bench.generate()
        await bench.until(lambda: bench.app.main.live.progress.is_running)
        bench.queue.load("big")
        await bench.pilot.pause(0.1)
        assert "big" not in bench.generator.engine.loaded
        bench.generator.hold.clear()
        await bench.until(lambda: bench.generator.engine.loaded[-1:] == ["big"])
