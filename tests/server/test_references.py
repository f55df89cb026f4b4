"""Several pictures as the references of one result."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdtui.models import ModelDescription, NativeValues
from sdtui.models.pipeline_traits import traits_of
from tests.support.images import png_base64
from tests.support.live_server import Live
from tests.support.scripted_generator import ScriptedGenerator

_TWO = [png_base64(), png_base64()]


@pytest.fixture
def editing(scripted: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A server whose model edits."""
    name = "Flux2KleinPipeline"
    traits, native = traits_of(name), NativeValues(64, 64, 4, 1.0)
    model = ModelDescription(Path("m"), name, name, {}, native, traits=traits)
    monkeypatch.setattr(scripted.services.backend.models, "describe", lambda _: model)
    return scripted


@pytest.mark.parametrize(
    ("route", "sent", "init_images"),
    [
        ("/sdapi/v1/img2img", {"json": {"init_images": _TWO, "n_iter": 2}}, 1),
        (
            "/v1/images/edits",
            {
                "data": {"prompt": "x", "n": "2"},
                "files": [("image[]", ("a.png", base64.b64decode(each))) for each in _TWO],
            },
            1,
        ),
        ("/jobs", {"json": {"prompt": "x", "references": _TWO, "num_images_per_prompt": 2}}, 0),
    ],
)
def test_pictures_are_the_references_of_each_result(
    editing: Live,
    generator: ScriptedGenerator,
    route: str,
    sent: dict[str, Any],
    init_images: int,
) -> None:
    with editing.client() as ask:
        answer = ask.post(route, **sent)
        assert answer.is_success, answer.text
        if route == "/jobs":
            editing.services.backend.jobs.wait(answer.json()["id"], timeout=10)
    (request,) = generator.requests
    assert request.num_images_per_prompt == 2
    assert (request.image_to_image is not None) is bool(init_images)
    assert len(request.input_images()) == 2
    assert len(request.editing.references) == 2 - init_images


def test_references_are_refused_by_a_model_that_takes_none(scripted: Live) -> None:
    with scripted.client() as ask:
        answer = ask.post("/jobs", json={"prompt": "x", "references": _TWO})
    assert answer.status_code == 422
    assert "references: pocket takes none" in answer.text


def test_edit_without_a_size_has_one_that_the_model_takes(
    editing: Live, generator: ScriptedGenerator
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (90, 64)).save(buffer, "PNG")
    with editing.client() as ask:
        files = {"image[]": ("a.png", buffer.getvalue())}
        answer = ask.post("/v1/images/edits", data={"prompt": "x"}, files=files)
    assert answer.is_success, answer.text
    assert (generator.requests[0].width, generator.requests[0].height) == (80, 64)


def test_hires_fix_without_an_upscaler_takes_that_of_the_model(
    editing: Live, generator: ScriptedGenerator
) -> None:
    with editing.client() as ask:
        for fields in ({}, {"hr_upscaler": "Latent"}):
            body = {"prompt": "x", "enable_hr": True, **fields}
            assert ask.post("/sdapi/v1/txt2img", json=body).is_success
    found = [each.hires and each.hires.upscaler for each in generator.requests]
    assert found == [None, "Latent"]
