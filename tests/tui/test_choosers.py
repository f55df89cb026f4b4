"""What enter takes in the dialogs with a list."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from sdtui.models import ModelSource
from sdtui.tui import model_offers
from sdtui.tui.screens.commands import CommandScreen, ThemeScreen
from sdtui.tui.screens.dialogs import AskScreen
from sdtui.tui.screens.models import ModelScreen
from sdtui.tui.screens.value import ValueScreen
from tests.support.app_harness import AppHarness, running
from tests.support.keyboard import key_event
from tests.support.model_files import checkpoint, safetensors, sd1_folder


async def open_samplers(harness: AppHarness, current: str = "") -> ValueScreen:
    harness.fill_form("", sampler=current)
    await harness.go_to_field("sampler")
    await harness.press("enter")
    screen = harness.app.screen
    assert isinstance(screen, ValueScreen)
    return screen


BEST_MATCHES = {
    "euler": "Euler",
    "euler a": "Euler a",
    "dpm++ 2m k": "DPM++ 2M Karras",
    "DDIM": "DDIM",
    "auto": "",
}
"""What is typed → the sampler that is taken."""


async def test_enter_takes_the_best_match(harness: AppHarness) -> None:
    async with running(harness):
        for typed, taken in BEST_MATCHES.items():
            await open_samplers(harness, "DPM++ 2M")
            await harness.write(typed)
            await harness.press("enter")
            assert harness.texts["sampler"] == taken
            assert harness.at_main
            assert not harness.queue.jobs()


async def test_cursor_begins_at_the_current_choice_and_returns_to_it(harness: AppHarness) -> None:
    async with running(harness):
        screen = await open_samplers(harness, "Heun Karras")
        assert screen.chosen == "Heun Karras"
        await harness.write("d")
        assert screen.chosen == "DPM++ 2M"
        await harness.press("backspace")
        assert screen.chosen == "Heun Karras"


async def test_keys_pressed_at_once_choose_what_was_typed(harness: AppHarness) -> None:
    async with running(harness):
        await harness.go_to_field("sampler")
        for name in ("enter", *"euler a", "enter"):
            event = key_event(name)
            event.set_sender(harness.app)
            harness.app.post_message(event)
        await harness.until(lambda: harness.at_main and harness.texts["sampler"] == "Euler a")


async def test_enter_goes_by_the_text_even_if_the_list_is_older(harness: AppHarness) -> None:
    async with running(harness):
        screen = await open_samplers(harness)
        with screen.line.prevent(type(screen.line).Changed):
            screen.line.value = "heun"
        await harness.press("enter")
        assert harness.texts["sampler"] == "Heun"


async def test_enter_with_nothing_found_says_so(harness: AppHarness) -> None:
    async with running(harness):
        screen = await open_samplers(harness, "Heun")
        await harness.write("zzz")
        await harness.press("enter")
        assert harness.app.screen is screen
        assert "nothing of that name" in harness.screen_text()
        await harness.press("escape")
        assert harness.texts["sampler"] == "Heun"


async def test_palette_runs_the_best_match(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+p")
        screen = harness.app.screen
        assert isinstance(screen, CommandScreen)
        await harness.write("star")
        assert screen.choices.items[0].title.startswith("Picture: Star · ")
        await harness.press(*["backspace"] * 4, *"go to", "enter")
        await harness.until(lambda: type(harness.app.screen).__name__ == "WhichKeyScreen")


async def test_themes_are_seen_before_one_is_chosen(harness: AppHarness) -> None:
    async with running(harness):
        before = harness.app.theme
        harness.app.search_themes()
        await harness.settled()
        assert isinstance(harness.app.screen, ThemeScreen)
        await harness.write("textual-l")
        assert harness.app.theme == "textual-light"
        await harness.press("escape")
        assert harness.app.theme == before


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    sd1_folder(folder / "tiny-sd")
    sd1_folder(folder / "tiny-sdxl")
    safetensors(folder / "junk.safetensors", {"lora": (1,)})
    (folder / "old.ckpt").write_bytes(b"pickle")
    (folder / "index-only").mkdir()
    index = (folder / "tiny-sd" / "model_index.json").read_text()
    (folder / "index-only" / "model_index.json").write_text(index)
    return folder


@pytest.fixture
def with_models(tmp_path: Path, models: Path) -> AppHarness:
    """An app with two models and three that can't be used."""
    return AppHarness(tmp_path, model_folders=(models,))


async def open_models(harness: AppHarness) -> ModelScreen:
    await harness.press("alt+m")
    screen = harness.app.screen
    assert isinstance(screen, ModelScreen)
    return screen


async def test_typed_model_is_taken_and_not_a_longer_one(with_models: AppHarness) -> None:
    async with running(with_models):
        screen = await open_models(with_models)
        await with_models.press("down", "down")
        await with_models.write("tiny-sd")
        assert [each.name for each in screen.choices.items] == ["tiny-sd", "tiny-sdxl"]
        await with_models.press("enter")
        await with_models.until(lambda: with_models.texts["model"] == "tiny-sd")


async def test_columns_of_models_have_heads_over_them(with_models: AppHarness) -> None:
    async with running(with_models):
        screen = await open_models(with_models)
        await with_models.until(lambda: len(screen.choices.items) > 3)
        heads = screen.heads.render_line(0).text
        first = screen.choices.render_line(0).text
        assert heads.index("family") == first.index("pocket", 10)
        end = heads.index("params") + len("params")
        assert first[:end].endswith("20 M")
        assert "model_folders" in str(screen.status.render())
        assert "✗ can't be used" in with_models.screen_text()


async def test_cursor_stays_on_its_model_when_more_are_found(
    with_models: AppHarness, models: Path
) -> None:
    async with running(with_models):
        screen = await open_models(with_models)
        await with_models.write("tiny")
        await with_models.press("down")
        sd1_folder(models / "tiny-a")
        screen._look()
        await with_models.until(lambda: len(screen.choices.items) == 3)
        assert screen.choices.selected is not None
        assert screen.choices.selected.name == "tiny-sdxl"


async def test_enter_before_the_models_are_listed_takes_the_typed_one(
    with_models: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_list = threading.Event()
    installed = with_models.backend.models.installed

    def wait_and_list() -> list[ModelSource]:
        may_list.wait(30)
        return installed()

    monkeypatch.setattr(with_models.backend.models, "installed", wait_and_list)
    async with running(with_models):
        for name in ("alt+m", *"tiny-sdxl", "enter"):
            event = key_event(name)
            event.set_sender(with_models.app)
            with_models.app.post_message(event)
        timer = threading.Timer(0.6, may_list.set)
        timer.start()
        await with_models.until(lambda: with_models.texts["model"] == "tiny-sdxl")
        assert with_models.at_main


UNUSABLE = {
    "junk": "holds no Stable Diffusion",
    "old.ckpt": "pickle file",
    "index-only": "the part unet is missing",
    "/nowhere/x.safetensors": "there is no file",
    "'/nowhere/a b.safetensors'": "there is no file or folder /nowhere/a b.safetensors",
    r"C:\models\x.safetensors": "is a path of Windows",
}
"""What is typed → why it is refused."""


async def test_unusable_model_is_refused_with_the_reason(with_models: AppHarness) -> None:
    async with running(with_models):
        for typed, reason in UNUSABLE.items():
            screen = await open_models(with_models)
            screen.filter.value = typed
            await with_models.settled()
            await with_models.press("enter")
            assert reason in f"{screen.details.render()} {screen.status.render()}"
            assert "pocket stays chosen" in str(screen.status.render())
            assert screen.status.has_class("-wrong")
            await with_models.press("escape")
            assert with_models.texts["model"] == "pocket"


async def test_model_that_broke_since_it_was_listed_is_refused(
    with_models: AppHarness, models: Path
) -> None:
    async with running(with_models):
        screen = await open_models(with_models)
        await with_models.write("tiny-sdxl")
        for weights in (models / "tiny-sdxl" / "unet").iterdir():
            weights.unlink()
        await with_models.press("enter")
        assert "the part unet is missing" in str(screen.status.render())
        assert screen.choices.items[0].problem


async def test_path_of_a_model_is_taken(with_models: AppHarness, tmp_path: Path) -> None:
    path = safetensors(tmp_path / "my models" / "a b.safetensors", checkpoint("sd1"))
    async with running(with_models):
        screen = await open_models(with_models)
        screen.filter.value = f"'{path}' "
        await with_models.settled()
        await with_models.press("enter")
        await with_models.until(lambda: with_models.texts["model"] == str(path))


async def test_model_removed_meanwhile_is_not_queued(with_models: AppHarness, models: Path) -> None:
    async with running(with_models):
        form = with_models.panes.recipe
        with_models.fill_form("a cat", model="tiny-sd")
        await with_models.until(lambda: with_models.texts["model"] == "tiny-sd")
        (models / "tiny-sd" / "model_index.json").unlink()
        await with_models.press("ctrl+g")
        assert not with_models.queue.jobs()
        assert 'no model "tiny-sd"' in with_models.problem()
        assert form.fields["model"].has_focus
        form.fields["model"].text = "pocket"
        await with_models.settled()
        assert not with_models.problem()


async def test_unusable_model_of_the_settings_is_shown_in_the_form(
    tmp_path: Path, models: Path
) -> None:
    harness = AppHarness(tmp_path, model="junk", model_folders=(models,))
    async with running(harness):
        assert "holds no Stable Diffusion" in harness.problem()
        await harness.go_to_field("model")
        assert harness.panes.recipe.fields["model"].has_class("-wrong")


def test_typed_hub_id_is_offered_and_a_name_is_not() -> None:
    offer = model_offers.typed_offer(" owner/name ")
    assert offer is not None
    assert (offer.name, offer.installed) == ("owner/name", False)
    assert model_offers.typed_offer("name") is None
    assert model_offers.typed_offer("owner/name/more") is None
    assert model_offers.typed_offer(" ") is None


@pytest.mark.parametrize(
    "address",
    [
        "https://huggingface.co/owner/a.name",
        "http://hf.co/owner/a.name/",
        "huggingface.co/owner/a.name/tree/main/unet",
        "https://huggingface.co/owner/a.name/blob/main/model_index.json",
    ],
)
def test_address_of_a_model_on_the_hub_is_its_id(address: str) -> None:
    offer = model_offers.typed_offer(address)
    assert offer is not None
    assert (offer.name, offer.installed, offer.problem) == ("owner/a.name", False, "")


def test_other_address_is_no_model() -> None:
    offer = model_offers.typed_offer("https://example.com/models/1")
    assert offer is not None
    assert "is an address" in offer.problem


async def test_a_command_is_one_line_with_its_key_at_the_right(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+p", *"star")
        lines = [line for line in harness.screen_text().splitlines() if "Star" in line]
        assert re.search(r"Star +Star the picture, or take the star away +Picture +s ", lines[0])


async def test_a_command_with_several_keys_is_listed_once(harness: AppHarness) -> None:
    async with running(harness):
        titles = [each.title for each in harness.app.get_system_commands(harness.app.main)]
        names = [title.rpartition(": ")[2] for title in titles]
        assert len(names) == len({*names})


async def test_commands_and_questions_cover_the_prompt_and_little_of_the_pictures(
    harness: AppHarness,
) -> None:
    async with running(harness, size=(120, 36)):
        stage = harness.panes.stage.region
        for screen in (CommandScreen([]), AskScreen("Tags")):
            harness.app.push_screen(screen)
            await harness.until(lambda: harness.app.screen is screen)  # noqa: B023
            dialog = screen.query_one(".dialog").region
            assert dialog.x == 0
            assert dialog.bottom == 35  # the keys stay visible
            assert dialog.intersection(stage).height <= 7
            await harness.press("escape")


@pytest.mark.parametrize(("size", "lines"), [((120, 36), range(8, 15)), ((80, 24), range(16, 24))])
async def test_large_dialogs_are_low_over_the_prompt_of_wide_windows(
    harness: AppHarness, size: tuple[int, int], lines: range
) -> None:
    async with running(harness, size):
        for key in ("f9", "alt+m"):
            await harness.press(key)
            await harness.until(lambda: not harness.at_main)
            box = harness.app.screen.query_one(".dialog").region
            assert box.height in lines
            assert box.right <= 76
            await harness.press("escape")
            await harness.until(lambda: harness.at_main)
        await harness.press("f9")
        await harness.pilot.resize_terminal(120, 36)
        await harness.until(lambda: harness.app.screen.query_one(".dialog").region.height == 14)
