"""The app over a backend that is on another machine and has several devices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from textual.message import Message
from textual.message_pump import MessagePump
from textual.widgets import Static

from sdtui.core.enums import DType, Quantize, Speed
from sdtui.core.errors import HistoryError
from sdtui.core.settings import Settings
from sdtui.history import Entry
from sdtui.jobs import JobPicture
from sdtui.requests.events import Downloading, Failed, JobEvent, Loaded, Saved, Unloaded
from sdtui.requests.record import GenerationRecord
from sdtui.requests.sections.execution import Execution
from sdtui.tui.app import SdtuiApp
from sdtui.tui.downloads import DownloadEnded, DownloadProgress, Downloads
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.picture import PictureScreen
from sdtui.tui.widgets.key_bar import KeyBar
from tests.support.fakes import FakeBackend, FakeModels, envelope
from tests.support.keyboard import press, until

_LOADED = Loaded(
    model="pocket", family="pocket", device="cpu", dtype="float32", memory_mode="full", seconds=0.1
)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend(models=("pocket", "other"), prompts=("a cat", "a dog"))


@pytest.fixture
async def app(backend: FakeBackend) -> AsyncIterator[SdtuiApp]:
    app = SdtuiApp(Settings(), lambda: backend)
    async with app.run_test(size=(120, 36)):
        await until(app, lambda: backend.jobs.preloads)
        yield app
    assert app.close_backend()
    assert backend.closed


async def test_app_shows_the_pictures_and_loads_the_model_of_the_backend(
    app: SdtuiApp, backend: FakeBackend
) -> None:
    await until(app, lambda: app.main.panes.gallery.selected)
    assert backend.jobs.preloads == ["pocket"]


async def test_model_is_loaded_in_advance_as_the_recipe_wants_it(backend: FakeBackend) -> None:
    settings = Settings(dtype=DType.BFLOAT16, speed=Speed.FAST, quantize=Quantize.INT8)
    app = SdtuiApp(settings, lambda: backend)
    async with app.run_test(size=(120, 36)):
        await until(app, lambda: backend.jobs.preloads)
    assert app.close_backend()
    wanted = Execution(dtype=DType.BFLOAT16, speed=Speed.FAST, quantize=Quantize.INT8)
    assert backend.jobs.executions == [wanted]


async def test_model_that_the_backend_unloads_is_not_shown_as_loaded(
    app: SdtuiApp, backend: FakeBackend
) -> None:
    line = app.main.top_line
    backend.jobs.publish("a", _LOADED)
    await until(app, lambda: " · " in line.model and "ready" in line.progress.message)
    backend.jobs.publish("b", Unloaded())
    await until(app, lambda: " · " not in line.model and not line.progress.message)


async def test_jobs_of_several_workers_are_shown_and_stopped(
    app: SdtuiApp, backend: FakeBackend
) -> None:
    for prompt in ("first", "second"):
        app.recipe.change({"prompt": prompt})
        await press(app, "ctrl+g")
    jobs = backend.jobs.jobs()
    assert [job.request.prompt for job in jobs] == ["first", "second"]
    for number, job in enumerate(jobs):
        backend.jobs.start(job.id, f"cuda:{number}")
    await until(app, lambda: app.main.queue.presenter.progress.is_running)
    await until(app, lambda: backend.saved)
    queue = app.main.panes.queue
    await until(app, lambda: len(queue.list.places) == 2)
    assert sorted(each.split()[0] for each in queue.list.places.values()) == ["cuda:0", "cuda:1"]
    assert "cuda:0 works · cuda:1 works" in str(queue.query_one(".queue--workers", Static).render())
    app.main.queue.stop_current(after_picture=False)
    assert not backend.jobs.cancelled
    app.main.queue.stop_current(after_picture=False)
    assert backend.jobs.cancelled == [jobs[0].id]


def _is_drawn(app: SdtuiApp) -> bool:
    """True if all pictures on the screen are drawn."""
    views = [view for view in app.screen.query(PixelView) if view.size]
    return bool(views) and all(view.pixels for view in views)


async def test_picture_of_a_finished_job_is_shown(app: SdtuiApp, backend: FakeBackend) -> None:
    app.recipe.change({"prompt": "a bird"})
    await press(app, "ctrl+g")
    (job,) = backend.jobs.jobs()
    backend.jobs.start(job.id, "cuda:0")
    for index, path in enumerate(paths := ("/elsewhere/a.png", "/elsewhere/b.png")):
        backend.jobs.change(job.id, pictures=paths[: index + 1])
        backend.jobs.publish(job.id, Saved(image_index=index, seed=index, path=path))
    preview = app.main.panes.stage
    await until(app, lambda: preview.picture and str(preview.picture.path) == paths[1])
    await until(app, lambda: preview.view.pixel_view.pixels)
    assert preview.picture is not None
    assert preview.picture.id == JobPicture(job.id, 1)
    await press(app, "f6")
    await until(app, lambda: isinstance(app.screen, PictureScreen) and _is_drawn(app))
    assert "/elsewhere/b.png" in str(app.screen.query_one("#caption", Static).render())
    assert not app.main.query_one(KeyBar).message
    assert backend.pictures.reads.count(JobPicture(job.id, 1)) == 1


async def test_picture_of_the_history_is_shown(app: SdtuiApp, backend: FakeBackend) -> None:
    panes = app.main.panes
    await press(app, "f4")
    await until(app, lambda: panes.stage.view.pixel_view.pixels)
    assert panes.stage.picture is not None
    assert panes.stage.picture.id == 0  # the first of the newest job
    await press(app, "f6")
    await until(app, lambda: isinstance(app.screen, PictureScreen) and _is_drawn(app))
    await press(app, "escape", "f4", "c", "l", "c")
    await until(app, lambda: isinstance(app.screen, CompareScreen) and _is_drawn(app))
    assert set(backend.pictures.reads) == {0, 1}


async def test_start_picture_and_copied_path_are_those_of_the_backend(app: SdtuiApp) -> None:
    await press(app, "f4")
    await until(app, lambda: app.main.panes.gallery.selected)
    await press(app, "i")
    await until(app, lambda: app.recipe.texts["init_image"])
    assert app.recipe.texts["init_image"] == "/elsewhere/0.png"


async def test_unreadable_record_of_a_picture_that_is_there_is_an_error(
    app: SdtuiApp, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Entry) -> GenerationRecord:
        raise HistoryError("the JSON is damaged")

    monkeypatch.setattr(backend.pictures, "record", fail)
    await press(app, "f4", "r")
    bar = app.main.query_one(KeyBar)
    await until(app, lambda: bar.message)
    assert bar.message == "the JSON is damaged."


class _Models(FakeModels):
    """Reports the events of a download that the test sets."""

    def __init__(self, *events: JobEvent) -> None:
        super().__init__("pocket")
        self.events = events

    def download(
        self,
        hub_id: str,
        subscriber: Callable[[JobEvent], None],
        *,
        without_transformer: bool = False,
        without_weights: bool = False,
    ) -> str:
        for event in self.events:
            subscriber(event)
        return super().download(hub_id, subscriber)


class _Target(MessagePump):
    """Keeps the messages that are posted to it."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[Message] = []

    def post_message(self, message: Message) -> bool:
        self.posted.append(message)
        return True


async def test_events_of_a_download_are_posted_as_messages() -> None:
    target = _Target()
    models = _Models(
        envelope("1", Downloading(model="a/b", done=1, total=2, speed=1.0)),
        envelope("1", Failed(error="no network", hint="Check it")),
    )
    Downloads(target, lambda: models).start("a/b")
    assert models.downloads == ["a/b"]
    progress, ended = target.posted
    assert isinstance(progress, DownloadProgress)
    assert (progress.done, progress.total) == (1, 2)
    assert isinstance(ended, DownloadEnded)
    assert (ended.hub_id, ended.problem) == ("a/b", "no network. Check it.")


async def test_threads_that_need_the_backend_first_share_one() -> None:
    opened: list[FakeBackend] = []

    def open_slowly() -> FakeBackend:
        time.sleep(0.05)
        opened.append(FakeBackend())
        return opened[-1]

    app = SdtuiApp(Settings(), open_slowly)
    found = await asyncio.gather(*(asyncio.to_thread(lambda: app.backend) for _ in range(4)))
    assert found == opened * 4
