"""How a backend's calls, errors and files cross a connection."""

from __future__ import annotations

import random
from array import array
from pathlib import Path
from typing import Any

import pytest

from sdtui.core import errors
from sdtui.core.errors import GenerationError, InvalidRequestError, Problem, SdtuiError
from sdtui.jobs.backends.remote.calls import RemotePart
from sdtui.jobs.backends.remote.jobs import RemoteJobs
from sdtui.jobs.backends.remote.others import RemoteHardware, RemoteModels, RemoteTrainings
from sdtui.jobs.backends.remote.pictures import RemotePictures
from sdtui.jobs.wire import CALLS, PARTS, error_from_wire, error_to_wire, is_property, members
from sdtui.jobs.wire.calls import AT_THE_CLIENT
from sdtui.jobs.wire.files import map_files, uploaded_hash, uploaded_path
from sdtui.jobs.wire.ids import KnownIds, SentIds
from sdtui.jobs.wire.messages import read_message
from sdtui.requests.request import GenerationRequest

_REMOTE: dict[str, type] = {
    "jobs": RemoteJobs,
    "models": RemoteModels,
    "prompts": RemotePart,
    "pictures": RemotePictures,
    "trainings": RemoteTrainings,
    "hardware": RemoteHardware,
}


def test_every_method_of_the_protocols_crosses_the_wire_or_is_the_clients() -> None:
    for part, remote in _REMOTE.items():
        methods = [name for name in members(part) if not is_property(part, name)]
        at_client = AT_THE_CLIENT.get(part, frozenset())
        assert at_client <= set(methods)
        for name in methods:
            if name in at_client:
                assert name in vars(remote), f"{part}.{name}"
            else:
                CALLS[part, name].check()
    assert not [name for part, name in CALLS if part == "backend"]
    assert set(PARTS) == {*_REMOTE, "backend"}


def test_arguments_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        CALLS["pictures", "star"].read_arguments(b'{"which": 1, "more": 2}')
    with pytest.raises(ValueError, match="which"):
        CALLS["pictures", "star"].read_arguments(b'{"which": []}')


def test_rest_of_the_arguments_is_passed_in_its_place() -> None:
    class Pictures:
        def tag(self, which: int, *tags: str) -> tuple[int, tuple[str, ...]]:
            return which, tags

    call = CALLS["pictures", "tag"]
    arguments = call.read_arguments(call.write_arguments(call.bind(3, "a", "b")))
    assert call.apply(Pictures(), arguments) == (3, ("a", "b"))


@pytest.mark.parametrize(
    "error",
    [
        errors.HistoryError("no picture", "Look"),
        errors.QueueFullError("full"),
        InvalidRequestError([Problem("width", 7, "must be a multiple"), Problem("x", Path(), "y")]),
        GenerationError("broke", "Again", stage="decode"),
        errors.CancelledError(),
    ],
)
def test_error_is_raised_as_it_was(error: SdtuiError) -> None:
    received = error_from_wire(error_to_wire(error))
    assert type(received) is type(error)
    assert str(received) == str(error)
    assert getattr(received, "stage", "") == getattr(error, "stage", "")


def test_unknown_error_is_one_of_ours() -> None:
    sent = error_to_wire(errors.HistoryError("what", "hint"))
    for name in ("NewerError", "Sequence", "annotations"):
        received = error_from_wire(sent.model_copy(update={"type": name}))
        assert type(received) is SdtuiError
        assert str(received) == "what. hint."
    assert isinstance(error_from_wire(error_to_wire(KeyError("job"))), KeyError)


def test_list_of_ids_is_sent_as_what_differs() -> None:
    server, client = KnownIds(), KnownIds()
    draw = random.Random(1)
    ids = array("q", sorted((draw.randrange(2**50) for _ in range(1000)), reverse=True))
    lists = [
        ids,
        array("q", [2**51]) + ids,
        array("q", [2**51]) + ids[:500] + ids[501:],
        ids[:500] + ids[501:],
        array("q"),
        array("q", [7, 7, 7]),
        array("q", [7, 7]),
    ]
    known = ""
    for number, each in enumerate(lists):
        sent = SentIds.model_validate_json(server.write(each, known).model_dump_json())
        assert client.read(sent, known) == each
        assert number == 0 or len(sent.steps) < 4
        known = sent.tag
    assert len(server.write(ids, "unknown").steps) == 1000


def test_every_picture_of_a_request_is_found_by_its_field() -> None:
    request = GenerationRequest.parse(
        {
            "prompt": "x",
            "init_image": "/here/a.png",
            "mask_image": "/here/b.png",
            "strength": 0.5,
            "controls": ["canny:/here/c.png:0.5", "depth"],
            "ip_adapters": ["face:/here/d,e.png"],
        }
    )
    seen: list[Path] = []

    def change(path: Path) -> Path:
        seen.append(path)
        return uploaded_path(f"{len(seen):064x}")

    mapped: dict[str, Any] = map_files({"request": request, "front": True}, change)
    assert {each.name for each in seen} == {"a.png", "b.png", "c.png", "d,e.png"}
    hashes = [uploaded_hash(path) for path in mapped["request"].input_images().values()]
    assert len(hashes) == 4
    assert None not in hashes
    back = map_files(mapped, lambda path: seen[int(uploaded_hash(path) or "0", 16) - 1])
    assert back["request"] == request


def test_unknown_messages_are_skipped() -> None:
    assert read_message("weather", b"{}") is None
    with pytest.raises(ValueError, match="kind"):
        read_message("change", b'{"event": {"job": "a", "time": 1, "event": {"kind": "new"}}}')
