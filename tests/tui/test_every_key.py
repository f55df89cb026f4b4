"""The key of every action has a visible effect, and can be rebound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.enums import EventLevel
from sdtui.jobs import JobState
from sdtui.requests.training.captions import write_caption
from sdtui.requests.training.status import TrainingCondition, TrainingSample
from sdtui.tui.actions import ACTIONS, actions_in
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.job_progress import LogLine
from sdtui.tui.key_table import KeyChoice
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.name_completions import WildcardCompletions
from sdtui.tui.screens.captions import CaptionScreen
from sdtui.tui.screens.compare import Compared, CompareScreen
from sdtui.tui.screens.dialogs import (
    AskScreen,
    ConfirmScreen,
    OrphanedJobsScreen,
    TextScreen,
)
from sdtui.tui.screens.grid import GridScreen
from sdtui.tui.screens.manual import ManualScreen
from sdtui.tui.screens.picture import CurrentPicture, PictureScreen
from sdtui.tui.screens.search_dialog import ChooseScreen
from sdtui.tui.screens.training import TrainingScreen
from sdtui.tui.screens.which_key import WhichKeyScreen
from sdtui.tui.widgets.form_fields import SectionRow
from sdtui.tui.widgets.key_bar import KeyBar
from tests.support.app_harness import AppHarness, running
from tests.support.fake_trainings import FakeTrainings, running_training
from tests.support.records import NOON, record

pytestmark = pytest.mark.slow

PRESSED_ELSEWHERE = {"models.cancel_download": "test_models: it takes a download"}
UNBOUND = "f11"
LEFT_BY_ANY_KEY = ("which_key",)
"""Scopes that are left by a key that means nothing there."""


FIRST_PRESSED = {
    "prompt.next_completion": tuple(" __"),
    "compare.second": ("1",),
    "compare.scroll_up": ("pagedown",),
    "shelf.log_tab": ("4",),
    "section.fold": ("right",),
    "log.details": ("f", "f"),
    "window.redo": ("ctrl+z",),
    "mask.brush": ("r",),
    "mask.undo": ("space", "space"),
    "mask.redo": ("space", "space", "u"),
    "mask.clear": ("a",),
    "mask.zoom_out": ("plus",),
    "mask.fit": ("plus",),
    "mask.peek": ("a",),
    "mask.tint": ("a",),
    "training.previous_sample": ("right",),
    "captions.undo": ("f", "z", "enter"),
}
"""Action id → keys after which the action changes something."""


def with_pictures(harness: AppHarness) -> None:
    """Save five pictures in the history, whose parts differ."""
    for number, prompt in enumerate(("one", "two", "three", "four", "five")):
        timestamp = NOON + timedelta(minutes=number)
        gradient = Image.linear_gradient("L").rotate(45 + 20 * number).convert("RGB")
        harness.history.save(gradient, record(prompt, seed=number, timestamp=timestamp), 0)


async def at_form(harness: AppHarness) -> None:
    harness.app.recipe.last_seed = 7
    harness.app.recipe.change({"seed": "5", "width": "64", "height": "128", "sampler": "Heun"})
    await harness.go_to_field("sampler")


async def at_number(harness: AppHarness) -> None:
    harness.app.recipe.change({"num_inference_steps": "7"})
    await harness.go_to_field("num_inference_steps")


async def at_choice(harness: AppHarness) -> None:
    await harness.go_to_field("sampler")


async def at_path(harness: AppHarness) -> None:
    await harness.go_to_field("init_image")


async def at_section(harness: AppHarness) -> None:
    """Go to the heading of rows that are folded."""
    await harness.go_to_field("strength")
    heading = harness.panes.recipe.query_one(SectionRow)
    heading.is_open = False
    heading.focus()


async def at_value(harness: AppHarness) -> None:
    harness.app.recipe.change({"prompt": "a cat", "num_inference_steps": "7"})
    harness.app.main.values.open_chip("num_inference_steps")


async def at_stage(harness: AppHarness) -> None:
    harness.app.main.window.show_tab("gallery")
    stage = harness.panes.stage
    first, second = (ShownPicture(each.path) for each in harness.history.entries().entries[:2])
    harness.panes.gallery.grid.cursor = 1
    await harness.settled()
    stage.show(second, (first,))
    stage.focus()


async def at_queue(harness: AppHarness) -> None:
    """One job is running and held, three wait, and the cursor is on the second of them."""
    main = harness.app.main
    harness.generator.hold.set()
    while sum(not job.state.is_over for job in harness.queue.jobs()) < 4:
        await harness.generate()
    await harness.until(lambda: harness.progress.is_running)
    await harness.until(lambda: main.panes.queue.list.items == harness.queue.jobs())
    waiting = [n for n, job in enumerate(harness.queue.jobs()) if job.state is JobState.QUEUED]
    main.panes.queue.list.cursor = waiting[1]
    main.window.show_tab("queue")


async def at_log(harness: AppHarness) -> None:
    main = harness.app.main
    harness.generator.hold.set()
    if not harness.progress.is_running:
        await harness.generate()
    await harness.until(lambda: harness.progress.is_running)
    main.window.show_tab("log")


async def at_window(harness: AppHarness) -> None:
    """Focus the log, since f2 to f4 focus other panes; one pane has been resized."""
    await at_log(harness)
    harness.app.main.action_usual_sizes()
    harness.app.main.action_taller()


async def at_prompt(harness: AppHarness) -> None:
    harness.fill_form("a cat")
    harness.panes.dock.prompt.use_names((WildcardCompletions(["colour", "size"]),), ())
    harness.panes.dock.prompt.focus()


async def at_gallery(harness: AppHarness) -> None:
    """Put the cursor in the middle of the gallery, in rows of two, and show that picture."""
    main = harness.app.main
    main.window.show_tab("gallery")
    pictures = main.panes.gallery
    pictures.leave_search()
    await harness.until(lambda: pictures.total >= 3 and not pictures.is_trash)
    pictures.unmark()
    pictures.grid.is_list = False
    pictures.grid.pitch = 30
    await harness.settled()
    pictures.grid.cursor = 2
    await harness.until(
        lambda: pictures.selected and pictures.selected.prompt in main.panes.info.view.text
    )
    await pictures_are_read(harness)


async def at_list(harness: AppHarness) -> None:
    """Put the cursor in the middle of a long log."""
    await at_shelf(harness)
    log = harness.panes.log
    log.add([LogLine(NOON.timestamp(), EventLevel.INFO, f"line {number}") for number in range(99)])
    await harness.settled()
    log.list.cursor = 50


async def at_shelf(harness: AppHarness) -> None:
    harness.app.main.window.show_tab("log")
    harness.panes.log.list.focus()


async def at_search(harness: AppHarness) -> None:
    harness.app.main.window.show_tab("gallery")
    harness.panes.gallery.focus_search()


async def at_info(harness: AppHarness) -> None:
    await at_gallery(harness)
    await harness.settled()  # the gallery gets the focus
    harness.app.main.window.show_tab("info")


async def at_viewer(harness: AppHarness) -> None:
    lines = [LabelledLine("", f"line {number}") for number in range(100)]
    harness.app.push_screen(TextScreen("something", lines, harness.app.copy))


async def pictures_are_read(harness: AppHarness) -> None:
    await harness.until(lambda: all(view.pixels for view in harness.app.screen.query(PixelView)))


async def at_full_screen(harness: AppHarness) -> None:
    """Show a picture that has an init image on the whole screen."""
    await at_gallery(harness)
    await harness.app.main.action_full_screen()
    await harness.until(lambda: not harness.at_main)
    screen = harness.app.screen
    assert isinstance(screen, PictureScreen)
    await harness.until(lambda: screen.zoom_views()[0].image)
    shown = ShownPicture(harness.history.entries().entries[0].path)
    screen.show(CurrentPicture(shown, made_from=(shown,), place=1, total=5))
    await pictures_are_read(harness)


async def at_zoom(harness: AppHarness) -> None:
    """Show the middle of a picture."""
    await at_full_screen(harness)
    screen = harness.app.screen
    assert isinstance(screen, PictureScreen)
    screen.action_larger()
    screen.action_larger()


async def at_compare(harness: AppHarness) -> None:
    """Compare two pictures of which much differs, with a divider."""
    entries = harness.history.entries().entries[:2]
    made = (record("one " * 600, seed=1), record("two " * 600, seed=2))
    compared = (Compared(*each) for each in zip(entries, made, strict=True))
    harness.app.main.pictures.viewing.compare(*compared)
    screen = harness.app.screen
    assert isinstance(screen, CompareScreen)
    await harness.until(lambda: screen.zoom_views()[0].image)
    screen.action_next_mode()
    await harness.settled()
    (view,) = screen.zoom_views()
    await harness.until(lambda: view.image and view.view.pixel_view.pixels)


async def at_mask(harness: AppHarness) -> None:
    """Draw over a picture."""
    shown = ShownPicture(harness.history.entries().entries[0].path)
    await harness.app.main.masks.draw_over(shown)


async def at_captions(harness: AppHarness) -> None:
    """Put the cursor on the second of three pictures, of which two have captions."""
    folder = harness.settings.pictures / "learned"
    for number in range(3):
        folder.mkdir(exist_ok=True)
        Image.linear_gradient("L").rotate(90 * number).save(folder / f"{number}.png")
    for number in range(2):
        write_caption(folder / f"{number}.png", f"a red dog, number {number}")
    screen = CaptionScreen(harness.app, folder)
    await harness.app.push_screen(screen)
    await harness.until(lambda: len(screen.list.captions) == 3)
    screen.list.cursor = 1
    await pictures_are_read(harness)


async def at_caption_text(harness: AppHarness) -> None:
    await at_captions(harness)
    screen = harness.app.screen
    assert isinstance(screen, CaptionScreen)
    screen.action_edit()


async def at_manual(harness: AppHarness) -> None:
    await harness.app.push_screen(ManualScreen("memory"))


async def at_settings(harness: AppHarness) -> None:
    harness.app.main.action_settings()


async def at_question(harness: AppHarness) -> None:
    harness.app.push_screen(ConfirmScreen("?", "?", "yes", "no"))


async def at_left_behind(harness: AppHarness) -> None:
    harness.app.push_screen(OrphanedJobsScreen("?", 2))


async def at_choices(harness: AppHarness) -> None:
    """Put the cursor on the middle one of three choices."""
    screen = ChooseScreen("?", ["a", "b", "c"], "b")
    await harness.app.push_screen(screen)


async def at_ask(harness: AppHarness) -> None:
    harness.app.push_screen(AskScreen("?"))


async def at_axes(harness: AppHarness) -> None:
    texts = ("steps=1,2", "", "")
    await harness.app.push_screen(GridScreen("?", record().request, texts))


async def at_training(harness: AppHarness) -> None:
    """Show a paused training with two samples of a checkpoint."""
    entries = harness.history.entries().entries[:2]
    samples = [
        TrainingSample(100, number, each.prompt, str(each.path))
        for number, each in enumerate(entries)
    ]
    paused = replace(running_training(samples), condition=TrainingCondition.PAUSED)
    vars(harness.backend)["trainings"] = FakeTrainings(paused)
    harness.app.main.action_training()
    screen = harness.app.screen
    assert isinstance(screen, TrainingScreen)
    await harness.until(lambda: screen.plot.curve)
    await harness.until(lambda: screen.samples.chosen)


async def at_new_training(harness: AppHarness) -> None:
    await at_training(harness)
    screen = harness.app.screen
    assert isinstance(screen, TrainingScreen)
    screen.action_new()


async def at_which_key(harness: AppHarness) -> None:
    """Show a panel of several pages."""
    choices = [KeyChoice(f"f{number}", "Something") for number in range(1000)]
    harness.app.push_screen(WhichKeyScreen("Keys", choices))


PLACES: dict[str, Callable[[AppHarness], Awaitable[None]]] = {
    "window": at_window,
    "app": at_window,
    "reading": at_window,
    "form": at_form,
    "number": at_number,
    "choice": at_choice,
    "path": at_path,
    "stage": at_stage,
    "shelf": at_shelf,
    "section": at_section,
    "value": at_value,
    "queue": at_queue,
    "log": at_log,
    "gallery": at_gallery,
    "search": at_search,
    "info": at_info,
    "list": at_list,
    "viewer": at_viewer,
    "text": at_viewer,
    "picture": at_gallery,
    "full_screen": at_full_screen,
    "zoom": at_zoom,
    "compare": at_compare,
    "mask": at_mask,
    "captions": at_captions,
    "caption_text": at_caption_text,
    "manual": at_manual,
    "settings": at_settings,
    "question": at_question,
    "orphaned_jobs": at_left_behind,
    "prompt": at_prompt,
    "choose": at_choices,
    "ask": at_ask,
    "axes": at_axes,
    "which_key": at_which_key,
    "training": at_training,
    "new_training": at_new_training,
}


def seen(harness: AppHarness) -> list[object]:
    """Return the whole screen with its colours."""
    return [list(strip) for strip in harness.screen_strips()]


async def go_to(scope: str, harness: AppHarness) -> None:
    """Focus the widget of a scope."""
    while not harness.at_main:
        harness.app.pop_screen()
    harness.app.main.query_one(KeyBar).clear_message()
    await PLACES[scope](harness)
    await harness.settled()


async def still(harness: AppHarness) -> list[object]:
    """Return the screen once background reads are done."""
    now = seen(harness)
    while True:
        await asyncio.sleep(0.3)
        await harness.settled()
        before, now = now, seen(harness)
        if before == now:
            return now


async def changes(harness: AppHarness, key: str) -> bool:
    """True if the screen changes within some time after a key."""
    before = seen(harness)
    await harness.press(key)
    for _ in range(500):
        if seen(harness) != before:
            return True
        await asyncio.sleep(0.02)
        await harness.settled()
    return False


def test_every_place_can_be_focused() -> None:
    scopes = {action.scope for action in ACTIONS if action.id not in PRESSED_ELSEWHERE}
    assert scopes == set(PLACES)


@pytest.mark.parametrize("scope", PLACES)
async def test_every_key_does_something(scope: str, harness: AppHarness) -> None:
    with_pictures(harness)
    async with running(harness):
        await go_to(scope, harness)
        if scope not in LEFT_BY_ANY_KEY:
            before = await still(harness)
            await harness.press(UNBOUND)
            await asyncio.sleep(0.05)
            await harness.settled()
            assert seen(harness) == before, "what is seen changes without a key"
        for action in actions_in(scope):
            await go_to(scope, harness)
            await harness.press(*FIRST_PRESSED.get(action.id, ()))
            first, *others = action.keys.split(",")
            for other in others:
                assert harness.app.screen.active_bindings[other].binding.id == action.id
            assert await changes(harness, first), f"{first} does nothing"
        harness.generator.hold.clear()


async def test_every_key_can_be_changed(tmp_path: Path) -> None:
    keys = {action.id: f"ctrl+alt+f{number}" for number, action in enumerate(ACTIONS)}
    harness = AppHarness(tmp_path, keys=keys)
    with_pictures(harness)
    async with running(harness):
        for scope in PLACES:
            await go_to(scope, harness)
            active = harness.app.screen.active_bindings
            bound = {binding.binding.id: key for key, binding in active.items()}
            for action in actions_in(scope):
                assert bound.get(action.id) == keys[action.id]
        harness.generator.hold.clear()
