"""OpenAI's edits with several pictures."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from sdtui.server.api.openai.edits import entries_for
from sdtui.server.api.openai.schemas import EditBody
from tests.support.live_server import Live, parse_events
from tests.support.scripted_generator import ScriptedGenerator

_FORM = {"prompt": "x", "seed": "7", "steps": "1"}
_ROUTE = "/v1/images/edits"


def _png(width: int = 64, height: int = 64, colour: Any = "red", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def _pictures(*names: str) -> list[tuple[str, tuple[str, bytes]]]:
    """A square picture, then wide ones."""
    sizes = [(64, 64), *[(64, 32)] * (len(names) - 1)]
    return [(name, ("a.png", _png(*size))) for name, size in zip(names, sizes, strict=True)]


def test_each_of_several_pictures_is_edited(scripted: Live, generator: ScriptedGenerator) -> None:
    for names in (("image", "image"), ("image[]", "image[]"), ("image", "image[1]")):
        generator.requests.clear()
        with scripted.client() as ask:
            answer = ask.post(_ROUTE, data={**_FORM, "n": "2"}, files=_pictures(*names))
            assert answer.status_code == 200, answer.text
        assert [each["seed"] for each in answer.json()["data"]] == [7, 8, 9, 10]
        shapes = [(each.width == each.height, each.seed) for each in generator.requests]
        assert shapes == [(True, 7), (False, 9)]
    assert not list(scripted.services.uploads._folder.glob("*"))


def test_mask_is_for_the_first_of_several_pictures(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    mask = ("mask", ("m.png", _png(colour=(0, 0, 0, 0), mode="RGBA")))
    form = {**_FORM, "mask_blur": "3"}
    with scripted.client() as ask:
        answer = ask.post(_ROUTE, data=form, files=[*_pictures("image", "image"), mask])
        assert answer.status_code == 200, answer.text
    first, second = generator.requests
    assert first.inpainting is not None
    assert first.inpainting.blur == 3
    assert second.inpainting is None


def test_several_pictures_come_in_one_stream(scripted: Live) -> None:
    with scripted.client() as ask:
        form = {**_FORM, "stream": "true"}
        answer = ask.post(_ROUTE, data=form, files=_pictures("image", "image", "image"))
    events = [(name, data["seed"]) for name, data in parse_events(answer.text)]
    assert events == [("image_edit.completed", seed) for seed in (7, 8, 9)]


def test_wrong_pictures_are_refused_and_leave_no_upload(scripted: Live) -> None:
    damaged = ("image", ("b.png", b"no picture"))
    for files, form, message in (
        ([("other", ("a.png", _png()))], {}, "image: must be 1 to 16 pictures, not 0."),
        (_pictures(*["image"] * 17), {}, "image: must be 1 to 16 pictures, not 17."),
        (_pictures(*["image"] * 9), {"n": "2"}, "n: for 9 pictures must be at most 1 on"),
        (_pictures("image", "mask", "mask"), {}, "mask: must be one picture, not 2."),
        ([*_pictures("image"), damaged], {}, "the picture can't be used"),
    ):
        with scripted.client() as ask:
            answer = ask.post(_ROUTE, data={**_FORM, **form}, files=files)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(message)
    assert not list(scripted.services.uploads._folder.glob("*"))


@pytest.mark.parametrize(
    ("adapters", "pictures", "expected"),
    [
        (["a::0.5"], [b"1", b"2"], [("a", b"1", 0.5), ("a", b"2", 0.5)]),
        (["a", "b"], [b"1"], [("a", b"1", 1.0), ("b", b"1", 1.0)]),
        (["a", "b"], [b"1", b"2", b"3"], [("a", b"1", 1.0), ("b", b"2", 1.0), ("a", b"3", 1.0)]),
        (["a:own.png"], [b"1"], []),
        (["a"], [], []),
        ([], [b"1"], []),
        (["a::b::"], [b"1"], []),
    ],
)
def test_ip_adapters_take_the_pictures_after_the_first(
    adapters: list[str], pictures: list[bytes], expected: list[tuple[str, bytes, float]]
) -> None:
    found = entries_for(adapters, pictures)
    assert [(each["name"], each["image"], each["weight"]) for each in found] == expected


def test_lists_may_have_brackets_as_openais_library_writes_them() -> None:
    given = {"prompt": "x", "controls[]": ["a", "b"], "ip_adapters[]": "c", "image[0]": "file"}
    body = EditBody.model_validate(given)
    assert (body.values()["controls"], body.values()["ip_adapters"]) == (["a", "b"], ["c"])
    assert body.not_applied() == []
