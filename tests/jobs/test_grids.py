"""Grids in the queue: their order, their sheets, cancelling and resuming them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.errors import QueueFullError
from sdtui.core.settings import Settings
from sdtui.history import INFOTEXT_KEYWORD, Entry, grid_sheets
from sdtui.jobs import Job, JobState, Output
from sdtui.jobs.backends.local import LocalBackend
from sdtui.requests.events import JobEvent
from sdtui.requests.grids import Grid, parse_axis
from sdtui.requests.request import GenerationRequest
from tests.support.scripted_generator import ScriptedGenerator

OpenBackend = Callable[..., LocalBackend]


@pytest.fixture
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture
def open_backend(tmp_path: Path, generator: ScriptedGenerator) -> Iterator[OpenBackend]:
    """Backends over the same folders, like those of successive processes."""
    opened: list[LocalBackend] = []

    def open_(queue_limit: int | None = None) -> LocalBackend:
        backend = LocalBackend(
            Settings(pictures=tmp_path / "pictures"),
            queue_folder=tmp_path / "queue",
            queue_limit=queue_limit,
            index_file=tmp_path / "index.db",
            make_generator=lambda _: generator,
        )
        opened.append(backend)
        return backend

    (tmp_path / "queue").mkdir()
    yield open_
    generator.hold.clear()
    for backend in opened:
        assert backend.close(20)


def _grid(*axes: str) -> Grid:
    request = GenerationRequest(prompt="a cat on a mat", seed=7, width=64, height=64)
    found = [parse_axis("XYZ"[number], axis, request) for number, axis in enumerate(axes)]
    return Grid(request, found)


def _finish(backend: LocalBackend, jobs: list[Job]) -> list[Job]:
    return [backend.jobs.wait(job.id, timeout=20) for job in jobs]


def _sheets(backend: LocalBackend, grid: Grid) -> list[Entry]:
    paths = backend.jobs.sheets(grid.record.id, timeout=20)
    return [backend.pictures.get(Path(path)) for path in paths]


def _wait_for(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_each_model_is_loaded_once_and_there_is_a_sheet_for_each_z_and_for_all(
    open_backend: OpenBackend, generator: ScriptedGenerator
) -> None:
    backend, grid = open_backend(), _grid("steps=1,2,3", "prompt=cat,dog,bird", "model=one,two")
    events: list[JobEvent] = []
    backend.jobs.subscribe(events.append)
    jobs = _finish(backend, backend.jobs.submit_grid(grid))
    assert [job.state for job in jobs] == [JobState.DONE] * 18
    assert [model for model, _ in groupby(generator.engine.loaded)] == ["one", "two"]

    whole, first, second = _sheets(backend, grid)
    assert (first.width, first.height) == (second.width, second.height)
    assert whole.width == 2 * first.width
    record = backend.pictures.record(second)
    assert record.request.model == "two"
    assert record.grid is not None
    assert (record.grid.is_sheet, record.grid.z) == (True, 1)
    _wait_for(lambda: sum(each.event.kind == "sheet" for each in events) == 3)


def test_cells_are_ordinary_pictures_with_their_place(open_backend: OpenBackend) -> None:
    backend, grid = open_backend(), _grid("steps=1,2", "cfg=5,7")
    _finish(backend, backend.jobs.submit_grid(grid))
    _sheets(backend, grid)
    entries = backend.pictures.entries(f"grid:{grid.record.id} sheet:no").entries
    records = [backend.pictures.record(entry) for entry in entries]
    places = [record.grid.caption for record in records if record.grid is not None]
    assert places[::-1] == [
        "Steps: 1, CFG Scale: 5",
        "Steps: 2, CFG Scale: 5",
        "Steps: 1, CFG Scale: 7",
        "Steps: 2, CFG Scale: 7",
    ]


def test_pictures_of_a_grid_stand_together_in_the_history_the_sheet_first(
    open_backend: OpenBackend,
) -> None:
    backend, grid = open_backend(), _grid("steps=1,2", "model=one,two")
    time.sleep(0.002)  # ids are milliseconds
    jobs = backend.jobs.submit_grid(grid)
    other = backend.jobs.submit(GenerationRequest(prompt="another"), front=True)
    _finish(backend, [*jobs, other])
    (sheet,) = _sheets(backend, grid)
    own = backend.pictures.ids(f"grid:{grid.record.id}")
    assert len(own) == 5
    assert own[-1] == sheet.id
    rest = set(backend.pictures.ids()) - set(own)
    assert not any(min(own) < each < max(own) for each in rest)


def test_a_cancelled_grid_has_a_sheet_of_what_is_there(
    open_backend: OpenBackend, generator: ScriptedGenerator
) -> None:
    backend, grid = open_backend(), _grid("steps=1,2,3", "cfg=5,7")
    jobs = backend.jobs.submit_grid(grid)
    backend.jobs.wait(jobs[1].id, timeout=20)
    generator.hold.set()
    backend.jobs.cancel_grid(grid.record.id)
    generator.hold.clear()
    over = _finish(backend, jobs)
    assert all(job.state in (JobState.DONE, JobState.CANCELLED) for job in over)
    made = sum(len(job.pictures) for job in over)
    assert 2 <= made < 6
    (sheet,) = _sheets(backend, grid)
    with Image.open(sheet.path) as image:
        blank = image.getpixel((image.width - 5, image.height - 5))
        assert blank == (255, 255, 255)
        assert "Script: X/Y/Z plot" in image.info[INFOTEXT_KEYWORD]


def test_a_grid_that_was_cancelled_before_its_first_picture_has_no_sheet(
    open_backend: OpenBackend,
) -> None:
    backend, grid = open_backend(), _grid("steps=1,2")
    backend.jobs.pause()
    jobs = backend.jobs.submit_grid(grid)
    backend.jobs.cancel_grid(grid.record.id)
    assert {job.state for job in _finish(backend, jobs)} == {JobState.CANCELLED}
    assert _sheets(backend, grid) == []
    assert backend.pictures.entries().total == 0


def test_one_job_of_a_grid_can_be_cancelled(open_backend: OpenBackend) -> None:
    backend, grid = open_backend(), _grid("steps=1,2,3")
    backend.jobs.pause()
    jobs = backend.jobs.submit_grid(grid)
    backend.jobs.cancel(jobs[1].id)
    backend.jobs.resume()
    states = [job.state for job in _finish(backend, jobs)]
    assert states == [JobState.DONE, JobState.CANCELLED, JobState.DONE]
    assert len(_sheets(backend, grid)) == 1


def test_a_grid_goes_on_in_the_next_process_and_its_sheet_has_all_pictures(
    open_backend: OpenBackend, generator: ScriptedGenerator
) -> None:
    before, grid = open_backend(), _grid("steps=1,2,3")
    jobs = before.jobs.submit_grid(grid)
    before.jobs.wait(jobs[0].id, timeout=20)
    generator.hold.set()
    _wait_for(lambda: len(before.jobs.running()) == 1)
    assert before.close(20)
    assert before.jobs.sheets(grid.record.id, timeout=0) == ()
    generator.hold.clear()

    after = open_backend()
    adopted = after.adopt_orphaned_jobs(twice_lost=True)
    assert [job.grid.grid.id for job in adopted if job.grid] == [grid.record.id] * len(adopted)
    assert {job.state for job in _finish(after, adopted)} == {JobState.DONE}
    (sheet,) = _sheets(after, grid)
    assert after.pictures.entries(f"grid:{grid.record.id} sheet:no").total == 3
    with Image.open(sheet.path) as image:
        corners = [image.getpixel((64 * number + 32, image.height - 5)) for number in range(3)]
    assert (255, 255, 255) not in corners


def test_a_sheet_goes_where_the_pictures_go(open_backend: OpenBackend, tmp_path: Path) -> None:
    backend, grid = open_backend(), _grid("steps=1,2")
    folder = tmp_path / "elsewhere"
    _finish(backend, backend.jobs.submit_grid(grid, Output(folder=folder)))
    (path,) = backend.jobs.sheets(grid.record.id, timeout=20)
    assert Path(path).parent == folder
    with Image.open(path) as image:
        assert image.getpixel((32, image.height - 5)) != (255, 255, 255)


def test_a_grid_counts_as_one_job_of_the_queues_limit(open_backend: OpenBackend) -> None:
    backend = open_backend(queue_limit=2)
    backend.jobs.pause()
    backend.jobs.submit_grid(_grid("steps=1,2", "cfg=5,7"))
    backend.jobs.submit_grid(_grid("steps=1,2"))
    with pytest.raises(QueueFullError):
        backend.jobs.submit_grid(_grid("steps=1,2"))
    assert len(backend.jobs.jobs()) == 6


def test_the_infotext_of_a_sheet_names_the_axes_as_a1111_does(open_backend: OpenBackend) -> None:
    backend, grid = open_backend(), _grid("seed=5,-1", 'prompt=cat,"dog, big"')
    _finish(backend, backend.jobs.submit_grid(grid))
    (sheet,) = _sheets(backend, grid)
    with Image.open(sheet.path) as image:
        text = image.info[INFOTEXT_KEYWORD]
    drawn = grid.axes[0].values[1]
    assert (
        f'Script: X/Y/Z plot, X Type: Seed, X Values: "5,-1", Fixed X Values: "5, {drawn}", '
        'Y Type: Prompt S/R, Y Values: "cat,\\"dog, big\\"", '
    ) in text
    assert "Size: 64x64, " in text


def test_a_sheet_that_would_be_too_large_has_smaller_pictures_and_says_so(
    open_backend: OpenBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_sheets, "MAX_SHEET_MEGAPIXELS", 2 * 32 * 32 / 1e6)
    backend, grid = open_backend(), _grid("steps=1,2")
    events: list[JobEvent] = []
    backend.jobs.subscribe(events.append)
    _finish(backend, backend.jobs.submit_grid(grid))
    (sheet,) = _sheets(backend, grid)
    assert sheet.width == 2 * 32
    notice = "the pictures on the sheet have 50% of their width"
    assert notice in backend.pictures.record(sheet).notices[0]
    _wait_for(lambda: any(notice in getattr(each.event, "message", "") for each in events))
