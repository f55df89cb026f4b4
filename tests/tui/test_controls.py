"""Choosing ControlNets and IP-Adapters in the app."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.requests.request import REQUEST_FIELDS
from sdtui.tui.control_offers import typed_entry, with_entry, without_entry
from sdtui.tui.screens.controls import ControlScreen
from sdtui.tui.screens.files import FileScreen
from tests.support.app_harness import AppHarness, running
from tests.support.model_files import safetensors
from tests.support.records import picture

_FIELD = REQUEST_FIELDS["controls"]


def _net(width: int, channels: int) -> dict[str, tuple[int, ...]]:
    return {
        "conv_in.weight": (channels, 4, 3, 3),
        "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (channels, width),
    }


@pytest.fixture
def harness(tmp_path: Path) -> AppHarness:
    folder = tmp_path / "nets"
    safetensors(folder / "canny.safetensors", _net(192, 80))  # the shapes of the pocket model
    safetensors(folder / "depth_xl.safetensors", _net(2048, 320))
    (folder / "old.pth").write_bytes(b"\x80")
    return AppHarness(tmp_path, controlnet_folders=(folder,))  # besides that of the pocket model


@pytest.mark.parametrize(
    ("text", "typed", "after"),
    [
        ("", "can", "canny"),
        ("", "can:0.8", "canny::0.8"),
        ("depth:a.png", "can,end=0.6", "depth:a.png, canny,end=0.6"),
        ("canny:a.png:0.5, depth:b.png", "canny:0.8,mode=prompt", None),
    ],
)
def test_typed_weight_and_options_become_an_entry(text: str, typed: str, after: str | None) -> None:
    found = with_entry(_FIELD, text, typed_entry(_FIELD, "canny", typed))
    assert found == (after or "canny:a.png:0.8,mode=prompt, depth:b.png")


def test_entry_is_taken_out() -> None:
    text = 'canny:"a, b.png":0.5, depth:b.png,end=0.6'
    assert without_entry(_FIELD, text, "canny") == "depth:b.png,end=0.6"


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_net_and_its_picture_are_chosen(harness: AppHarness, size: tuple[int, int]) -> None:
    folder = harness.history.pictures
    folder.mkdir(parents=True, exist_ok=True)
    picture().save(folder / "edges.png")
    async with running(harness, size):
        await harness.press("ctrl+o", "o")
        screen = harness.app.screen
        assert isinstance(screen, ControlScreen)
        await harness.until(lambda: len(screen.choices.items) == 4)
        assert "yes" in screen.choices.items[0].summary
        await harness.write("canny:0.8")
        await harness.press("enter")
        await harness.until(lambda: isinstance(harness.app.screen, FileScreen))
        await harness.write("edges")
        await harness.press("enter")
        await harness.until(lambda: "edges.png:0.8" in harness.texts["controls"])
        assert harness.texts["controls"].startswith("canny:")


async def test_net_that_does_not_fit_is_refused(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+o", "o")
        screen = harness.app.screen
        assert isinstance(screen, ControlScreen)
        await harness.until(lambda: len(screen.choices.items) == 4)
        for name, reason in (("depth", "is made for SDXL"), ("old", "pickle file")):
            screen.filter.value = ""
            await harness.write(name)
            await harness.press("enter")
            assert harness.app.screen is screen
            assert reason in str(screen.status.render())


async def test_chip_shows_names_and_weights_without_paths(harness: AppHarness) -> None:
    async with running(harness, (120, 36)):
        harness.app.recipe.change({"controls": "canny:/pictures/far/away/edges.png:0.8,end=0.6"})
        await harness.until(lambda: "controlnets canny:0.8" in harness.screen_text())
        assert "far" not in harness.screen_text().split("controlnets", 1)[1][:60]
