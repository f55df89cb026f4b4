"""Choosing LoRAs in the app."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.settings import Settings
from sdtui.jobs.backends.models import LocalModels
from sdtui.models import find_lora_by_name
from sdtui.requests.record import LoraRecord
from sdtui.tui.lora_offers import find_lora_offers, with_lora
from sdtui.tui.screens.loras import LoraScreen
from tests.support.app_harness import AppHarness, running
from tests.support.model_files import safetensors
from tests.support.records import picture, record

NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("text", "typed", "after"),
    [
        ("", "fi", "film"),
        ("", "film:0.8", "film:0.8"),
        ("grain", "", "grain, film"),
        ("grain, film:0.5", "fi", "grain"),
        ("film:0.5, grain", "film:0.2:0.3", "film:0.2:0.3, grain"),
        ("film:1:lbw=1,0,0", "", ""),
    ],
)
def test_choosing_adds_changes_or_takes_out(text: str, typed: str, after: str) -> None:
    assert with_lora(text, "film", typed) == after


def test_name_with_a_colon_is_written_with_its_suffix() -> None:
    assert with_lora("grain", "a:b", "") == "grain, a:b.safetensors"
    assert with_lora("a:b.safetensors:0.5", "a:b", "") == ""


def test_name_with_a_comma_is_for_the_prompt(tmp_path: Path) -> None:
    shapes = {f"{NAME}.lora_down.weight": (8, 768), f"{NAME}.lora_up.weight": (320, 8)}
    safetensors(tmp_path / "a, b.safetensors", shapes)
    models = LocalModels(Settings(lora_folders=(tmp_path,)))
    (offer,) = find_lora_offers(models, "pocket")
    assert offer.problem == "its name has a comma: write <lora:a, b> in the prompt"


@pytest.fixture
def harness(tmp_path: Path) -> AppHarness:
    folder = tmp_path / "loras"
    for name, width in (("film", 256), ("wide", 2048)):
        shapes = {f"{NAME}.lora_down.weight": (8, width), f"{NAME}.lora_up.weight": (320, 8)}
        safetensors(folder / f"{name}.safetensors", shapes, {"modelspec.trigger_phrase": "grainy"})
    (folder / "old.pt").write_bytes(b"\x80")
    return AppHarness(tmp_path, lora_folders=(folder,))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_lora_is_chosen_with_a_weight(harness: AppHarness, size: tuple[int, int]) -> None:
    async with running(harness, size):
        await harness.press("ctrl+o", "l")
        screen = harness.app.screen
        assert isinstance(screen, LoraScreen)
        await harness.until(lambda: len(screen.choices.items) == 3)
        await harness.write("film:0.8")
        assert [each.name for each in screen.choices.items] == ["film"]
        assert "Say: grainy" in harness.screen_text()
        await harness.press("enter")
        await harness.until(lambda: harness.texts["loras"] == "film:0.8")
        assert "film:0.8" in harness.screen_text()


@pytest.mark.parametrize(("size", "is_shown"), [((80, 24), False), ((120, 36), True)])
async def test_preview_of_the_lora_with_the_cursor_is_shown_where_there_is_room(
    harness: AppHarness, size: tuple[int, int], is_shown: bool
) -> None:
    picture().save(harness.settings.lora_folders[0] / "film.preview.png")
    async with running(harness, size):
        await harness.press("ctrl+o", "l")
        screen = harness.app.screen
        assert isinstance(screen, LoraScreen)
        await harness.until(lambda: len(screen.choices.items) == 3)
        assert screen.preview.display is is_shown
        if is_shown:
            await harness.until(lambda: screen.preview.pixels)
            await harness.press("down")
            await harness.until(lambda: screen.preview.pixels is None)


async def test_lora_that_does_not_fit_is_refused(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+o", "l")
        screen = harness.app.screen
        assert isinstance(screen, LoraScreen)
        await harness.until(lambda: len(screen.choices.items) == 3)
        for name, reason in (("wide", "it is made for SDXL"), ("old", "is a pickle file")):
            screen.filter.value = ""
            await harness.write(name)
            await harness.press("enter")
            assert harness.app.screen is screen
            assert reason in str(screen.status.render())
        await harness.press("escape")
        assert harness.texts["loras"] == ""


@pytest.mark.parametrize("key", ["r", "R"])
async def test_reused_lora_is_found_by_its_hash_and_a_missing_one_said(
    harness: AppHarness, key: str
) -> None:
    digits = find_lora_by_name("film", harness.settings).autov3
    used = LoraRecord(name="renamed", autov2="", autov3=digits, te=1, unet=1)
    saved = record("a cat <lora:renamed:0.5><lora:gone:1>")
    assert saved.settings is not None
    settings = saved.settings.model_copy(update={"lora_files": (used,)})
    harness.history.save(picture(), saved.model_copy(update={"settings": settings}), 0)
    async with running(harness):
        harness.panes.gallery.grid.focus()
        await harness.until(lambda: harness.panes.gallery.selected)
        await harness.press(key)
        await harness.until(lambda: harness.texts["prompt"] == "a cat <lora:film:0.5>")
        assert "Left out: the LoRA gone is not here." in harness.notifications()


async def test_rows_of_names_open_what_chooses_them(tmp_path: Path) -> None:
    weights = {"decoder.conv_in.weight": (512, 4, 3, 3)}
    safetensors(tmp_path / "vaes/bright.safetensors", weights)
    harness = AppHarness(tmp_path, vae_folders=(tmp_path / "vaes",))
    async with running(harness):
        await harness.go_to_field("vae")
        await harness.until(lambda: "vae" in harness.app.recipe.known_names)
        await harness.press("enter")
        assert "none: the one inside the model" in harness.screen_text()
        await harness.write("bri")
        await harness.press("enter")
        await harness.until(lambda: harness.texts["vae"] == "bright.safetensors")
        await harness.go_to_field("loras")
        await harness.press("enter")
        assert isinstance(harness.app.screen, LoraScreen)
