"""What every backend does, in this process, through a server, or with workers on other machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import Quantize
from sdtui.core.errors import HistoryError, InvalidRequestError, ModelNotFoundError, SettingsError
from sdtui.jobs import AttachmentPicture, JobPicture, JobState, SheetPicture
from sdtui.jobs.backends import models as local_models
from sdtui.models.hub import OnBytes
from sdtui.requests.grids import Grid, parse_axis
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution
from sdtui.requests.styles import Style
from tests.support.backends import (
    Opened,
    Waiter,
    opened_locally,
    opened_on_cluster,
    opened_remotely,
    until,
)
from tests.support.cluster import cluster_marks
from tests.support.live_server import PATIENCE

_OPENED = {"here": opened_locally, "http": opened_remotely, "ray": opened_on_cluster}


@pytest.fixture(scope="module", params=["here", "http", pytest.param("ray", marks=cluster_marks)])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "words").mkdir()
    (folder / "words/animal.txt").write_text("cat\n3::dog\n")
    with _OPENED[request.param](
        folder, wildcard_folders=(folder / "words",), styles_file=folder / "styles.csv"
    ) as opened:
        yield opened


@pytest.fixture
def opened(shared: Opened) -> Iterator[Opened]:
    yield shared
    shared.generator.hold.clear()
    shared.backend.jobs.resume()
    until(lambda: all(job.state.is_over for job in shared.local.jobs.jobs()))
    until(lambda: all(job.state.is_over for job in shared.backend.jobs.jobs()))


def test_job_is_made_and_its_events_come_in_order(opened: Opened) -> None:
    job = opened.made("a cat", num_images_per_prompt=2, seed=5)
    assert job.state is JobState.DONE
    assert job == opened.local.jobs.job(job.id)
    assert len(job.pictures) == 2
    assert opened.backend.jobs.job(job.id) == job
    assert opened.backend.jobs.jobs()[0] == job
    until(lambda: "finished" in opened.kinds(job.id))
    lasting = [kind for kind in opened.kinds(job.id) if kind in ("queued", "started", "saved")]
    assert lasting == ["queued", "started", "saved", "saved"]
    assert opened.kinds(job.id)[-1] == "finished"
    with pytest.raises(KeyError):
        opened.backend.jobs.job("unknown")


def test_same_id_is_queued_once(opened: Opened) -> None:
    opened.backend.jobs.pause()
    request = GenerationRequest(prompt="once")
    jobs = [opened.backend.jobs.submit(request, job_id="abcdef123456") for _ in range(2)]
    assert jobs[0] == jobs[1]
    queued = [job.id for job in opened.local.jobs.jobs() if job.request.prompt == "once"]
    assert queued == ["abcdef123456"]


def test_waiting_jobs_are_moved_paused_and_cancelled(opened: Opened) -> None:
    jobs = opened.backend.jobs
    jobs.pause()
    assert jobs.is_paused
    first, second, third = (opened.submit(prompt).id for prompt in ("1", "2", "3"))
    urgent = jobs.submit(GenerationRequest(prompt="4"), front=True).id
    jobs.move(third, 1)
    order = [urgent, third, first, second]
    until(lambda: [job.id for job in jobs.jobs() if not job.state.is_over] == order)
    until(lambda: [job.id for job in opened.local.jobs.jobs()][:4] == order)
    jobs.cancel(first)
    jobs.resume()
    assert not jobs.is_paused
    assert jobs.wait(first, PATIENCE).state is JobState.CANCELLED
    assert jobs.wait(second, PATIENCE).state is JobState.DONE
    assert not opened.local.jobs.is_paused


@pytest.mark.parametrize("after_picture", [False, True])
def test_running_job_is_cancelled(opened: Opened, after_picture: bool) -> None:
    jobs = opened.backend.jobs
    opened.generator.hold.set()
    job = opened.submit(num_images_per_prompt=2)
    until(lambda: job.id in jobs.running().values())
    jobs.cancel(job.id, after_picture=after_picture)
    if after_picture:
        until(lambda: opened.local.jobs.job(job.id).is_cancelled)
        opened.generator.hold.clear()
    over = jobs.wait(job.id, PATIENCE)
    assert over.state is JobState.CANCELLED
    assert len(over.pictures) == after_picture
    until(lambda: job.id not in jobs.running().values())


def test_grid_is_made_with_its_sheet(opened: Opened) -> None:
    request = GenerationRequest.parse({"prompt": "a cat", "seed": 1})
    grid = Grid(request, [parse_axis("X", "steps=1,2", request)])
    jobs = opened.backend.jobs.submit_grid(grid)
    assert [job.request.num_inference_steps for job in jobs] == [1, 2]
    assert [job.grid for job in jobs] == [cell.place for cell in grid.cells]
    (sheet,) = opened.backend.jobs.sheets(grid.record.id, PATIENCE)
    data = opened.backend.pictures.read(SheetPicture(grid.record.id, 0))
    assert data == Path(sheet).read_bytes()
    assert opened.backend.jobs.sheets("no grid", 0) == ()


def test_pictures_are_found_read_and_marked(opened: Opened) -> None:
    job = opened.made("a heron at dusk", num_images_per_prompt=2)
    pictures = opened.backend.pictures
    data = Path(job.pictures[0]).read_bytes()
    assert pictures.read(JobPicture(job.id, 0)) == data
    small = pictures.read(JobPicture(job.id, 0), edge=16)
    assert small != data
    page = pictures.entries("heron")
    assert page == opened.local.pictures.entries("heron")
    entry = page.entries[0]
    beside = Path(job.pictures[1]).with_suffix(".control1.png")
    beside.write_bytes(data)
    assert pictures.read(AttachmentPicture(entry.id, "control1")) == data
    with pytest.raises(HistoryError):
        pictures.read(AttachmentPicture(entry.id, "control2"))
    assert list(pictures.ids("heron")) == [each.id for each in page.entries]
    assert pictures.record(entry) == opened.local.pictures.record(entry)
    assert pictures.read(entry.id) == entry.path.read_bytes()
    assert pictures.star(entry.id).starred
    assert pictures.tag(entry.id, "water", "bird").tags == ("bird", "water")
    assert pictures.lineage(entry.id) == opened.local.pictures.lineage(entry.id)
    assert pictures.stats() == opened.local.pictures.stats()
    assert pictures.trash_folder == opened.local.pictures.trash_folder
    trashed = pictures.trash(entry.id)
    assert [each.entry.path for each in pictures.list_trash()] == [trashed]
    assert list(pictures.ids("heron")) == [page.entries[1].id]
    assert pictures.restore(trashed).prompt == "a heron at dusk"
    for missing in (-1, "nowhere.png"):
        with pytest.raises(HistoryError):
            pictures.get(missing)
    with pytest.raises(InvalidRequestError, match="seed"):
        pictures.entries("seed:x")


def test_pictures_are_exported_and_imported(opened: Opened, tmp_path: Path) -> None:
    job = opened.made("a lighthouse", num_images_per_prompt=2)
    pictures = opened.backend.pictures
    pictures.tag(pictures.ids("lighthouse")[0], "tall")
    file = tmp_path / "lighthouse.zip"
    assert pictures.export(file, "lighthouse") == 2
    assert pictures.import_([file]).known == 2
    for entry in pictures.entries("lighthouse").entries:
        pictures.trash(entry.id)
    pictures.empty_trash()
    assert len(pictures.import_([file]).pictures) == 2
    assert pictures.entries("lighthouse tag:tall").total == 1
    Path(job.pictures[0]).unlink(missing_ok=True)


def test_models_and_prompts_are_described(opened: Opened) -> None:
    models, local = opened.backend.models, opened.local.models
    assert models.installed() == local.installed()
    assert models.default == local.default == "pocket"
    source = models.find("pocket")
    assert models.describe(source) == local.describe(source)
    text = "a red apple, " * 40
    counters = models.token_counters(source)
    counts = {name: counter.count(text) for name, counter in counters.items()}
    assert counts == {name: each.count(text) for name, each in local.token_counters(source).items()}
    with pytest.raises(ModelNotFoundError, match="nothing"):
        models.find("nothing")
    with pytest.raises(ModelNotFoundError):
        models.check_files([GenerationRequest.parse({"prompt": "x", "vae": "nothing"})])

    prompts = opened.backend.prompts
    wildcards = prompts.wildcards()
    assert wildcards.names() == ["animal"]
    assert list(wildcards.lines("ani*")) == list(opened.local.prompts.wildcards().lines("ani*"))
    prompts.save_style(Style("soft", "soft light"))
    assert prompts.names() == opened.local.prompts.names()
    request = GenerationRequest.parse({"prompt": "a __animal__", "seed": 3, "styles": ["soft"]})
    resolved = prompts.resolve(request)
    assert resolved == opened.local.prompts.resolve(request)
    job = opened.backend.jobs.submit(request, prompts=resolved)
    assert opened.backend.jobs.wait(job.id, PATIENCE).prompts == resolved.prompts
    prompts.delete_style("soft")
    with pytest.raises(SettingsError):
        prompts.delete_style("soft")


def test_model_is_loaded_in_advance(opened: Opened) -> None:
    opened.backend.jobs.load("pocket", Execution(quantize=Quantize.NONE))
    until(lambda: "model_ready" in [each.event.kind for each in opened.events])
    opened.backend.jobs.unload()
    until(lambda: "unloaded" in [each.event.kind for each in opened.events])


def test_download_reports_its_end(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_: str, on_bytes: OnBytes, cancellation: Cancellation, **__: object) -> Path:
        on_bytes(1, 2, 0.5)
        while opened.generator.hold.is_set():
            cancellation.check()
        return Path("folder")

    monkeypatch.setattr(local_models, "download_model", fetch)
    waiter = Waiter()
    download = opened.backend.models.download("owner/name", waiter.put)
    assert waiter.wait()[-1] == "downloaded"
    assert {each.job for each in waiter.events} == {download}
    opened.generator.hold.set()
    waiter = Waiter()
    opened.backend.models.cancel_download(opened.backend.models.download("owner/x", waiter.put))
    assert waiter.wait()[-1] == "cancelled"


def test_hardware_is_sampled(opened: Opened) -> None:
    assert opened.backend.hardware.sample().ram_total > 0
