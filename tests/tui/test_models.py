"""Choosing a model, and loading it in the background."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Static

from sdtui.models import (
    cached_snapshot,
)
from sdtui.models.catalog import models_in
from sdtui.monitor import GpuSample, Sample
from sdtui.tui.messages import Sampled
from sdtui.tui.screens.help import HelpScreen
from sdtui.tui.screens.models import ModelScreen
from sdtui.tui.widgets.virtual_list import VirtualList
from tests.support.app_harness import AppHarness, running
from tests.support.hub_server import Hub, use_instead_of_hub
from tests.support.hub_server import running as serving


async def choosing(harness: AppHarness) -> ModelScreen:
    """Open the chooser and wait for the installed models."""
    await harness.press("alt+m")
    await harness.until(lambda: isinstance(harness.app.screen, ModelScreen))
    screen = harness.app.screen
    assert isinstance(screen, ModelScreen)
    await harness.until(lambda: screen.choices.count)
    return screen


async def test_choosing_fills_the_form(harness: AppHarness) -> None:
    async with running(harness):
        harness.app.recipe.change({"model": "other"})
        screen = await choosing(harness)
        assert [offer.name for offer in screen.choices.items] == ["pocket"]
        await harness.press("enter")
        await harness.until(lambda: harness.texts["model"] == "pocket")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tiny_sd1: Path) -> Iterator[Hub]:
    """A hub with one small model."""
    files = {
        str(path.relative_to(tiny_sd1)): path.read_bytes()
        for path in tiny_sd1.rglob("*")
        if path.is_file()
    }
    with serving(Hub(files)) as hub:
        use_instead_of_hub(hub, monkeypatch)
        yield hub


async def downloading(harness: AppHarness, name: str = "some/model") -> ModelScreen:
    """Type an id into the chooser and choose it."""
    screen = await choosing(harness)
    screen.filter.value = name
    await harness.until(lambda: screen.choices.items and screen.choices.items[0].name == name)
    await harness.press("enter")
    return screen


async def test_download_shows_bytes_and_speed_and_is_then_chosen(
    harness: AppHarness, hub: Hub
) -> None:
    hub.pause = 0.02
    async with running(harness):
        main = harness.app.main
        screen = await downloading(harness)
        await harness.until(lambda: "MiB/s" in main.models.downloads.status, 10)
        assert "left" in main.models.downloads.status
        assert "some/model" in str(screen.status.render())
        assert "↓" in str(main.top_line.render())
        await harness.until(lambda: harness.texts["model"] == "some/model", 20)
        assert harness.at_main
        assert "↓" not in str(main.top_line.render())
        screen = await choosing(harness)
        offer = next(each for each in screen.choices.items if each.name == "some/model")
        assert offer.installed


async def test_a_download_that_ends_below_another_dialog(harness: AppHarness, hub: Hub) -> None:
    hub.pause = 0.02
    async with running(harness):
        main = harness.app.main
        screen = await downloading(harness)
        await harness.press("f1")
        await harness.until(lambda: main.models.downloads.hub_id == "", 20)
        assert isinstance(harness.app.screen, HelpScreen)
        await harness.press("escape")
        assert isinstance(harness.app.screen, ModelScreen)
        assert "some/model is downloaded" in str(screen.status.render())
        offers = screen.choices
        await harness.until(lambda: [each.installed for each in offers.items] == [True])
        await harness.press("enter")
        await harness.until(lambda: harness.texts["model"] == "some/model")
        assert harness.at_main


def test_a_folder_that_cannot_be_read_hides_no_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = (tmp_path / "closed", tmp_path)
    folders[0].mkdir()
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder == folders[0]:
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    (tmp_path / "mine.safetensors").touch()
    assert [source.name for source in models_in(folders)] == ["mine"]


async def test_two_clicks_at_once_choose_once(harness: AppHarness) -> None:
    async with running(harness):
        screen = await choosing(harness)
        for _ in range(2):
            screen.choices.post_message(VirtualList.Clicked(screen.choices, 0))
        await harness.settled()
        assert harness.at_main


async def test_a_download_can_be_cancelled(harness: AppHarness, hub: Hub) -> None:
    hub.pause = 0.05
    async with running(harness):
        main = harness.app.main
        screen = await downloading(harness)
        await harness.until(lambda: main.models.downloads.share > 0, 10)
        await harness.press("ctrl+c")
        await harness.until(lambda: "was cancelled" in str(screen.status.render()), 10)
        assert main.models.downloads.hub_id == ""
        await harness.press("escape")
        assert harness.texts["model"] == "pocket"


async def test_a_download_goes_on_when_the_chooser_is_left(harness: AppHarness, hub: Hub) -> None:
    hub.pause = 0.02
    async with running(harness):
        main = harness.app.main
        await downloading(harness)
        await harness.until(lambda: main.models.downloads.share > 0, 10)
        await harness.press("escape")
        assert harness.at_main
        await harness.generate("made meanwhile")
        await harness.finished()
        await harness.until(lambda: main.models.downloads.hub_id == "", 20)
        assert harness.texts["model"] == "pocket"
        assert cached_snapshot("some/model") is not None


async def test_a_download_that_fails_says_why(harness: AppHarness, hub: Hub) -> None:
    async with running(harness):
        screen = await downloading(harness, "no/such")
        await harness.until(
            lambda: "the hub has no model no/such" in str(screen.status.render()), 10
        )
        await harness.press("escape")
        assert harness.at_main


GIB = 2**30


async def test_the_welcome_waits_for_the_first_sample(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        gpu = GpuSample(0, "a", GIB, 24 * GIB, own_memory=0)
        harness.app.main.post_message(Sampled(Sample(0.0, GIB, 64 * GIB, 1, 5.0, (gpu,))))
        await harness.settled()
        welcome = harness.panes.stage.query_one("#welcome", Static)
        assert "24.0 GiB VRAM" in str(welcome.render())
        assert welcome.virtual_size.height <= welcome.size.height


async def test_model_chooser_shows_which_models_fit(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        harness.app.main.post_message(Sampled(Sample(0.0, GIB, 20 * GIB, 1, 5.0)))
        await harness.settled()
        screen = await choosing(harness)
        assert screen.choices.items[0].summary.endswith("✓")
        assert "of 19.0 GiB free for 128×128: fits" in str(screen.details.render())


async def test_a_model_is_loaded_behind_the_window_and_can_be_cancelled(
    harness: AppHarness,
) -> None:
    engine = harness.generator.engine
    async with running(harness):
        engine.hold.set()
        harness.queue.load("big")
        await harness.until(lambda: harness.progress.stage == "loading")
        assert not harness.progress.is_running
        await harness.press("ctrl+c", "ctrl+c")
        await harness.until(lambda: harness.progress.message == "cancelled")
        engine.hold.clear()
        harness.queue.load("small")
        await harness.until(lambda: "small ready" in harness.progress.message)
        assert "big" not in engine.loaded
        assert engine.loaded[-1] == "small"
        assert "small" in harness.app.main.top_line.model


async def test_a_job_goes_before_a_model_that_is_only_wanted(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.generate()
        await harness.until(lambda: harness.progress.is_running)
        harness.queue.load("big")
        await harness.pilot.pause(0.1)
        assert "big" not in harness.generator.engine.loaded
        harness.generator.hold.clear()
        await harness.until(lambda: harness.generator.engine.loaded[-1:] == ["big"])
