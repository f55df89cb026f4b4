"""The key of every action, pressed where it works, changes what is seen; and can be another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sdtui.jobs import JobState
from sdtui.tui.actions import ACTIONS, actions_in
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.screens.dialogs import (
    AskScreen,
    ChooseScreen,
    ConfirmScreen,
    OrphanedJobsScreen,
    TextScreen,
)
from sdtui.tui.screens.manual import ManualScreen
from sdtui.tui.screens.picture import CompareScreen, PictureScreen
from tests.support.app_harness import AppHarness, running
from tests.support.records import NOON, picture, record

pytestmark = pytest.mark.slow

PRESSED_ELSEWHERE = {"models.cancel_download": "test_models: it takes a download"}
UNBOUND = "f11"


def with_pictures(bench: AppHarness) -> None:
    """Five pictures in the history."""
    for number, prompt in enumerate(("one", "two", "three", "four", "five")):
        moment = NOON + timedelta(minutes=number)
        bench.history.save(picture(), record(prompt, seed=number, moment=moment), 0)


def paths_of(bench: AppHarness) -> list[Path]:
    """The pictures that the history begins with."""
    return sorted(bench.settings.pictures.rglob("*.png"))


async def at_form(bench: AppHarness) -> None:
    form = bench.app.main.panes.parameters
    form.last_seed = 7
    form.fill({"seed": "5", "width": "64", "height": "128", "policy": "strict"})
    form.fields["policy"].focus()


async def at_number(bench: AppHarness) -> None:
    form = bench.app.main.panes.parameters
    form.fill({"num_inference_steps": "7"})
    form.fields["num_inference_steps"].focus()


async def at_choice(bench: AppHarness) -> None:
    bench.app.main.panes.parameters.fields["policy"].focus()


async def at_path(bench: AppHarness) -> None:
    bench.app.main.panes.parameters.fields["init_image"].focus()


async def at_preview(bench: AppHarness) -> None:
    preview = bench.app.main.panes.preview
    preview.begin(paths_of(bench)[0])
    for path in paths_of(bench):
        preview.add(path)
    preview.index = 1
    preview.focus()


async def at_queue(bench: AppHarness) -> None:
    """One job runs and stands still, three wait, and the second of these has the cursor."""
    main = bench.app.main
    bench.generator.hold.set()
    while sum(not job.state.is_over for job in bench.queue.jobs()) < 4:
        await bench.generate()
    await bench.until(lambda: main.queue.presenter.progress.is_running)
    await bench.until(lambda: main.panes.queue.list.items == bench.queue.jobs())
    waiting = [n for n, job in enumerate(bench.queue.jobs()) if job.state is JobState.QUEUED]
    main.panes.queue.list.cursor = waiting[1]
    main.panes.queue.list.focus()


async def at_log(bench: AppHarness) -> None:
    main = bench.app.main
    bench.generator.hold.set()
    if not main.queue.presenter.progress.is_running:
        await bench.generate()
    await bench.until(lambda: main.queue.presenter.progress.is_running)
    main.panes.log.list.focus()


async def at_window(bench: AppHarness) -> None:
    """In the log, since f2 to f4 go elsewhere; a pane has another size than usual."""
    await at_log(bench)
    bench.app.main.action_taller()


async def at_prompt(bench: AppHarness) -> None:
    bench.ask_for("a cat")
    bench.app.main.panes.prompt.editor.focus()


async def at_history(bench: AppHarness) -> None:
    """In the middle of the list, and the picture there is shown."""
    main = bench.app.main
    pictures = main.panes.history.list
    await bench.until(lambda: pictures.count >= 3)
    pictures.cursor = 1
    pictures.marked = None
    pictures.focus()
    tree = main.panes.metadata.tree_of_record
    await bench.until(
        lambda: (
            pictures.selected
            and any(pictures.selected.prompt in str(node.label) for node in tree.root.children)
        )
    )


async def at_search(bench: AppHarness) -> None:
    bench.app.main.panes.history.search.focus()


async def at_metadata(bench: AppHarness) -> None:
    await at_history(bench)
    bench.app.main.panes.metadata.tree_of_record.focus()


async def at_viewer(bench: AppHarness) -> None:
    bench.app.push_screen(TextScreen("something", bench.app.main.top_bar.render()))


async def pictures_are_read(bench: AppHarness) -> None:
    await bench.until(lambda: all(view.pixels for view in bench.app.screen.query(PixelView)))


async def at_picture(bench: AppHarness) -> None:
    paths, stop = paths_of(bench), bench.app.main.queue.stop_current
    await bench.app.push_screen(PictureScreen(paths, paths[0], None, 1, stop=stop))
    await pictures_are_read(bench)


async def at_compare(bench: AppHarness) -> None:
    first, second = ((path, record()) for path in paths_of(bench)[:2])
    await bench.app.push_screen(CompareScreen(first, second, None))
    await pictures_are_read(bench)


async def at_help(bench: AppHarness) -> None:
    bench.app.main.panes.memory.focus_target().focus()
    bench.app.action_help()


async def at_manual(bench: AppHarness) -> None:
    await bench.app.push_screen(ManualScreen("memory"))


async def at_settings(bench: AppHarness) -> None:
    bench.app.main.action_settings()


async def at_question(bench: AppHarness) -> None:
    bench.app.push_screen(ConfirmScreen("?", "?", "yes", "no"))


async def at_left_behind(bench: AppHarness) -> None:
    bench.app.push_screen(OrphanedJobsScreen("?"))


async def at_choices(bench: AppHarness) -> None:
    """In the middle of three."""
    screen = ChooseScreen("?", ["a", "b", "c"], "b")
    await bench.app.push_screen(screen)


async def at_ask(bench: AppHarness) -> None:
    bench.app.push_screen(AskScreen("?"))


async def at_jump(bench: AppHarness) -> None:
    bench.app.main.action_jump()


PLACES: dict[str, Callable[[AppHarness], Awaitable[None]]] = {
    "window": at_window,
    "app": at_window,
    "reading": at_window,
    "form": at_form,
    "number": at_number,
    "choice": at_choice,
    "path": at_path,
    "preview": at_preview,
    "queue": at_queue,
    "log": at_log,
    "history": at_history,
    "search": at_search,
    "metadata": at_metadata,
    "list": at_history,
    "viewer": at_viewer,
    "picture": at_picture,
    "compare": at_compare,
    "help": at_help,
    "manual": at_manual,
    "settings": at_settings,
    "question": at_question,
    "orphaned_jobs": at_left_behind,
    "prompt": at_prompt,
    "choose": at_choices,
    "ask": at_ask,
    "jump": at_jump,
}


def seen(bench: AppHarness) -> list[object]:
    """Everything on the screen, with its colours."""
    return [list(strip) for strip in bench.app.screen._compositor.render_strips()]


async def go_to(scope: str, bench: AppHarness) -> None:
    """Go where the keys of a place work."""
    while not bench.at_main:
        bench.app.pop_screen()
    bench.app.clear_notifications()
    await PLACES[scope](bench)
    await bench.settled()


async def still(bench: AppHarness) -> list[object]:
    """What is seen once all that is read beside the app has come."""
    now = seen(bench)
    while True:
        await asyncio.sleep(0.3)
        await bench.settled()
        before, now = now, seen(bench)
        if before == now:
            return now


async def changes(bench: AppHarness, key: str) -> bool:
    """Whether something else is seen some time after a key."""
    before = seen(bench)
    await bench.press(key)
    for _ in range(500):
        if seen(bench) != before:
            return True
        await asyncio.sleep(0.02)
        await bench.settled()
    return False


def test_every_place_is_gone_to() -> None:
    scopes = {action.scope for action in ACTIONS if action.id not in PRESSED_ELSEWHERE}
    assert scopes == set(PLACES)


async def test_every_key_does_something(bench: AppHarness) -> None:
    with_pictures(bench)
    async with running(bench):
        for scope in PLACES:
            await go_to(scope, bench)
            before = await still(bench)
            await bench.press(UNBOUND)
            await asyncio.sleep(0.05)
            await bench.settled()
            assert seen(bench) == before, f"{scope}: what is seen changes without a key"
            for action in actions_in(scope):
                await go_to(scope, bench)
                first, *others = action.keys.split(",")
                for other in others:
                    assert bench.app.screen.active_bindings[other].binding.id == action.id
                assert await changes(bench, first), f"{scope}: {first} does nothing"
        bench.generator.hold.clear()


async def test_every_key_can_be_changed(tmp_path: Path) -> None:
    keys = {action.id: f"ctrl+alt+f{number}" for number, action in enumerate(ACTIONS)}
    bench = AppHarness(tmp_path, keys=keys)
    with_pictures(bench)
    async with running(bench):
        for scope in PLACES:
            await go_to(scope, bench)
            active = bench.app.screen.active_bindings
            bound = {binding.binding.id: key for key, binding in active.items()}
            for action in actions_in(scope):
                assert bound.get(action.id) == keys[action.id]
        bench.generator.hold.clear()
