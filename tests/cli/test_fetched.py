"""Pictures of another machine that are written here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sdtui.cli import backend
from sdtui.cli.destination import Destination
from sdtui.cli.fetched import FetchedDestination
from sdtui.cli.progress_output import OwnEvents
from sdtui.cli.running import shared_values
from sdtui.core.errors import OutputError
from sdtui.core.settings import Settings
from sdtui.history import History
from sdtui.jobs import Job, JobState, Output
from sdtui.requests.events import JobEvent, ModelReady, Queued
from sdtui.requests.request import GenerationRequest
from tests.support.fake_pictures import FakePictures
from tests.support.fakes import FakeModels, envelope
from tests.support.records import record


def _job(count: int = 1) -> Job:
    paths = tuple(f"/elsewhere/{number}.png" for number in range(count))
    made = record("a cat", seed=1)
    image = made.images[0]
    images = tuple(
        image.model_copy(update={"index": number, "path": path})
        for number, path in enumerate(paths)
    )
    return Job(
        id="a",
        request=GenerationRequest(prompt="a cat", num_images_per_prompt=count),
        state=JobState.DONE,
        pictures=paths,
        record=made.model_copy(update={"images": images}),
    )


def test_pictures_and_records_are_written_into_the_folder(tmp_path: Path) -> None:
    pictures = FakePictures()
    fetched = FetchedDestination(Destination(Output(folder=tmp_path, format="webp")), pictures)
    assert fetched.output == Output(format="webp")
    job = fetched.deliver(_job(2))
    assert job.pictures == (str(tmp_path / "0.png"), str(tmp_path / "1.png"))
    assert (tmp_path / "1.png").read_bytes() == pictures.png
    written = json.loads((tmp_path / "1.json").read_text())
    assert [each["path"] for each in written["images"]] == [str(tmp_path / "1.png")]
    sheet = str(tmp_path / "sheet.png")
    assert fetched.deliver_sheets("grid", ["/elsewhere/sheet.png"]) == [sheet]


def test_file_takes_the_only_picture_and_several_are_numbered(tmp_path: Path) -> None:
    output = Output(file=tmp_path / "cat.png")
    fetched = FetchedDestination(Destination(output), FakePictures())
    assert fetched.deliver(_job()).pictures == (str(tmp_path / "cat.png"),)
    assert len({Path(path) for path in fetched.deliver(_job(2)).pictures}) == 2


def test_nothing_is_fetched_without_a_destination() -> None:
    pictures = FakePictures()
    job = _job()
    assert FetchedDestination(Destination(Output()), pictures).deliver(job) is job
    assert pictures.reads == []


def test_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    missing = FetchedDestination(Destination(Output(folder=tmp_path / "no")), FakePictures())
    with pytest.raises(OutputError, match=r"no/0\.png"):
        missing.deliver(_job())


def test_only_events_of_own_jobs_are_shown() -> None:
    shown: list[JobEvent] = []
    own = OwnEvents(shown.append)
    own.put(envelope("a", Queued(position=0)))
    own.put(envelope("other", Queued(position=1)))
    assert shown == []
    own.know([_job()])
    own.put(envelope("preload", ModelReady(model="pocket")))
    own.put(envelope("a", Queued(position=2)))
    assert [(each.job, each.event) for each in shown] == [
        ("a", Queued(position=0)),
        ("a", Queued(position=2)),
    ]


def test_files_of_a_picture_are_those_of_the_engines_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Models(FakeModels):
        def with_local_loras(
            self, request: GenerationRequest, hashes: object, *, allow_files: bool = False
        ) -> tuple[GenerationRequest, list[str]]:
            return request.changed(prompt=request.prompt.replace("theirs", "mine")), []

    monkeypatch.setattr(backend, "open_models", lambda _: Models("pocket"))
    history = History(tmp_path / "pictures", tmp_path / "index.db")
    made = record("a cat <lora:theirs:1>")
    picture = history.save(Image.new("RGB", (8, 8)), made, 0).path
    settings = Settings(connect="http://gpu-box", model="pocket")
    values = shared_values(settings, picture, None, quiet=True)
    assert values["prompt"] == "a cat <lora:mine:1>"
