"""Machines that have different files, come and go: which jobs and models go where."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sdtui.core.settings import Settings
from sdtui.history import History
from sdtui.jobs import Job
from sdtui.jobs.dispatcher import Dispatcher
from sdtui.jobs.event_text import workers_text
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.queue_state import QueueState
from sdtui.jobs.workers.files import Files, MachineFiles, NamedFile, files_here, files_of
from sdtui.jobs.workers.needs import Needs
from sdtui.jobs.workers.worker import WorkerSlot
from sdtui.requests.events import JobEvent
from sdtui.requests.request import GenerationRequest
from tests.support.backends import until
from tests.support.embeddings import make_embedding
from tests.support.scripted_generator import ScriptedGenerator
from tests.support.workers import dispatcher_of, slot_of

_MODEL, _LORA = NamedFile("model", "sdxl"), NamedFile("LoRA", "soft")


def _machine(*files: NamedFile) -> Callable[[], MachineFiles]:
    return lambda: MachineFiles(frozenset(files), asked_at=0.0)


def _waiting(dispatcher: Dispatcher, files: Mapping[str, NamedFile]) -> QueueState:
    """Return the state of a queue with jobs that need files; all need the model."""
    state = QueueState()
    for job_id, file in files.items():
        state.add(Job(id=job_id, request=GenerationRequest(prompt="x")))
        dispatcher.note_files(job_id, frozenset({_MODEL, file} if file is _LORA else {file}))
        dispatcher.queued(job_id, front=False)
    return state


class _Machines:
    """A queue with two machines that come and go."""

    def __init__(self, folder: Path) -> None:
        self.there = {"a", "b"}
        self.history = History(folder / "pictures", folder / "index.db")
        self.generators = {name: ScriptedGenerator() for name in "ab"}
        self.queue = JobQueue(
            Settings(device="cpu"),
            self.history,
            slots=[self._slot(name, *files) for name, files in {"a": (), "b": (_MODEL,)}.items()],
            needs=_ModelNeeds(),
        )
        self.events: list[JobEvent] = []
        self.queue.subscribe(self.events.append)

    def _slot(self, name: str, *files: NamedFile) -> WorkerSlot:
        return slot_of(
            name,
            self.generators[name],
            is_available=lambda: name in self.there,
            files=_machine(*files),
        )

    def ends_of(self, task: str) -> list[str]:
        return [each.event.kind for each in self.events if each.job == task]


class _ModelNeeds(Needs):
    def model(self, name: str) -> Files:
        return frozenset({NamedFile("model", name)})


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[_Machines]:
    machines = _Machines(tmp_path)
    yield machines
    assert machines.queue.close(20)
    machines.history.close()


def test_job_goes_only_to_a_machine_that_has_all_its_files() -> None:
    there = {"a", "b"}
    dispatcher = dispatcher_of(
        slot_of("a", files=_machine(_MODEL), is_available=lambda: "a" in there),
        slot_of("b", files=_machine(_MODEL, _LORA), is_available=lambda: "b" in there),
    )
    state = _waiting(dispatcher, {"1": _MODEL, "2": _LORA})
    assert dispatcher.job_for("a", state) == "1"
    assert dispatcher.job_for("b", state) == "2"
    there.remove("b")
    state.waiting.remove("1")
    assert dispatcher.job_for("a", state) is None
    assert dispatcher.refused(state) == {}, "the machine may come back"


def test_job_whose_files_no_machine_has_is_refused_with_their_names() -> None:
    asked_at = 0.0
    dispatcher = dispatcher_of(
        slot_of("a", files=lambda: MachineFiles(frozenset({_MODEL}), asked_at)),
        slot_of("b", files=lambda: MachineFiles(frozenset(), asked_at)),
        clock=lambda: 1.0,
    )
    state = _waiting(dispatcher, {"1": _LORA, "2": _MODEL})
    assert [dispatcher.job_for(name, state) for name in "ab"] == ["2", None]
    assert dispatcher.refused(state) == {}, "the machines were asked before it was queued"
    asked_at = 2.0
    (job_id, error) = dispatcher.refused(state).popitem()
    assert job_id == "1"
    assert error.what.endswith("a without the LoRA soft; b without the LoRA soft, the model sdxl")


def test_file_of_the_hub_is_fetched_where_no_machine_has_it() -> None:
    dispatcher = dispatcher_of(slot_of("a", files=_machine()), slot_of("b", files=_machine()))
    state = _waiting(dispatcher, {"1": NamedFile("model", "owner/name", is_fetched=True)})
    assert "1" in [dispatcher.job_for(name, state) for name in "ab"]


def test_machine_that_goes_and_comes_back_is_shown(machines: _Machines) -> None:
    machines.there.remove("a")
    for _ in range(2):
        machines.queue.look_again()
    assert workers_text(machines.queue.workers) == "a is away · b idle"
    machines.there.add("a")
    machines.queue.look_again()
    assert [each.event.kind for each in machines.events] == ["worker_away", "worker_joined"]
    assert not machines.queue.workers[0].is_away


def test_model_is_loaded_in_advance_where_it_is(machines: _Machines) -> None:
    task = machines.queue.load("sdxl")
    until(lambda: machines.generators["b"].engine.loaded == ["sdxl"])
    assert machines.generators["a"].engine.loaded == []
    until(lambda: machines.ends_of(task)[-1] == "model_ready")
    assert machines.ends_of(machines.queue.load("nowhere")) == ["failed"]


def test_unloading_ends_without_the_machines_that_are_away(machines: _Machines) -> None:
    machines.there.clear()
    assert machines.ends_of(machines.queue.unload()) == ["unloaded"]
    machines.there |= {"a", "b"}
    task = machines.queue.unload()
    machines.there.remove("a")
    machines.queue.look_again()
    until(lambda: machines.ends_of(task)[-1:] == ["unloaded"])


_POCKET_LORA = Path(__file__).parents[1] / "support/pocket-grey.safetensors"


def test_files_of_a_request_are_those_that_its_machine_lists(tmp_path: Path) -> None:
    lora = tmp_path / "loras/people/soft.safetensors"
    lora.parent.mkdir(parents=True)
    shutil.copy(_POCKET_LORA, lora)
    make_embedding(tmp_path / "embeddings/anime.safetensors", 16)
    settings = Settings(
        lora_folders=(tmp_path / "loras",), embedding_folders=(tmp_path / "embeddings",)
    )
    request = GenerationRequest(prompt="a cat, anime <lora:soft:0.5>").changed(
        controls=["pocket-edges"], init_image=tmp_path / "cat.png"
    )
    needed = files_of(request, (), settings)
    assert sorted(map(str, needed)) == [
        "the ControlNet pocket-edges",
        "the LoRA people/soft",
        "the embedding anime",
        "the model pocket",
    ]
    assert needed <= files_here(settings)
    by_path = GenerationRequest(prompt=f"a cat <lora:{lora}>", model=str(tmp_path))
    assert files_of(by_path, (), settings) == frozenset()
