"""OpenAI's API with the package openai."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from sdtui.core.enums import MemoryMode
from sdtui.requests.record import Stage
from tests.support.faults import Fault, failing
from tests.support.images import open_base64, png_base64
from tests.support.live_server import QUICK, Live

SMALL: Any = {"size": "64x64"}
STEPS = {"steps": 2, "seed": 4}


@pytest.fixture
def api(pocket: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{pocket.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_openai_generation_returns_base64(api: openai.OpenAI) -> None:
    result = api.images.generate(
        prompt="a red apple", model="pocket", n=2, extra_body=STEPS, **SMALL
    )
    assert result.data is not None
    assert [open_base64(each.b64_json or "").size for each in result.data] == [(64, 64)] * 2
    assert (result.size, result.output_format) == ("64x64", "png")
    assert result.created > 1_700_000_000


def test_signed_link_needs_no_key(api: openai.OpenAI, ask: httpx.Client) -> None:
    result = api.images.generate(
        prompt="a red apple", response_format="url", extra_body=STEPS, **SMALL
    )
    assert result.data is not None
    as_openai = api.images.generate(prompt="x", model="dall-e-3", extra_body=STEPS, **SMALL)
    assert as_openai.data is not None
    assert as_openai.data[0].url
    url = result.data[0].url or ""
    assert result.data[0].b64_json is None
    assert ask.get(url).headers["content-type"] == "image/png"
    assert ask.get("/pictures/guessed.png").status_code == 404


@pytest.mark.parametrize("wanted", ["jpeg", "webp"])
def test_requested_output_format_is_returned(
    api: openai.OpenAI, ask: httpx.Client, wanted: Any
) -> None:
    sizes = []
    for quality in (100, 5):
        result = api.images.generate(
            prompt="a red apple",
            model="gpt-image-2",  # a name of OpenAI's own means the server's model
            output_format=wanted,
            output_compression=quality,
            extra_body={**STEPS, "seed": 1},
            **SMALL,
        )
        assert result.data is not None
        data = base64.b64decode(result.data[0].b64_json or "")
        assert Image.open(io.BytesIO(data)).format == wanted.upper()
        sizes.append(len(data))
    assert sizes[0] > sizes[1]
    linked = api.images.generate(
        prompt="a red apple",
        response_format="url",
        output_format=wanted,
        output_compression=5,
        extra_body={**STEPS, "seed": 1},
        **SMALL,
    )
    assert linked.data is not None
    answer = ask.get(linked.data[0].url or "")
    assert answer.headers["content-type"] == f"image/{wanted}"
    assert len(answer.content) == sizes[1]


def test_openai_edit_starts_from_the_picture(api: openai.OpenAI) -> None:
    picture = ("in.png", base64.b64decode(png_base64()), "image/png")
    extra = {**STEPS, "strength": 0.5}
    result = api.images.edit(image=picture, prompt="a red apple", extra_body=extra, **SMALL)
    assert result.data is not None
    assert open_base64(result.data[0].b64_json or "").size == (64, 64)
    as_list = api.images.edit(image=[picture], prompt="a red apple", extra_body=extra, **SMALL)
    assert as_list.data is not None
    pictures = [open_base64(each.data[0].b64_json or "") for each in (result, as_list)]
    assert pictures[0].tobytes() == pictures[1].tobytes()
    with pytest.raises(openai.BadRequestError, match="nothing in it is transparent") as refused:
        api.images.edit(image=picture, mask=picture, prompt="x", **SMALL)
    assert refused.value.param == "mask"
    with pytest.raises(openai.BadRequestError, match="not a picture"):
        api.images.edit(image=("x.png", b"nonsense", "image/png"), prompt="x", **SMALL)


def test_edit_keeps_the_aspect_ratio(api: openai.OpenAI) -> None:
    for size, turned, expected in (
        ((300, 100), 1, (224, 72)),
        ((300, 100), 6, (72, 224)),
        ((5000, 10), 1, (2048, 64)),
    ):
        exif = Image.Exif()
        exif[0x0112] = turned
        buffer = io.BytesIO()
        Image.new("RGB", size, "red").save(buffer, "JPEG", exif=exif)
        picture = ("in.jpg", buffer.getvalue(), "image/jpeg")
        extra = {"steps": 1, "strength": 0}
        if max(expected) > 1000:  # more than this server makes
            with pytest.raises(openai.BadRequestError, match="2048x64 is more"):
                api.images.edit(image=picture, prompt="x", extra_body=extra)
            continue
        result = api.images.edit(image=picture, prompt="x", size="auto", extra_body=extra)
        assert result.data is not None
        assert open_base64(result.data[0].b64_json or "").size == expected


def test_empty_and_false_fields_count_as_missing(api: openai.OpenAI) -> None:
    picture = ("in.png", base64.b64decode(png_base64()), "image/png")
    extra = {**STEPS, "strength": 0.5}
    edited = api.images.edit(
        image=picture, prompt="x", model="", n=1, stream=False, extra_body=extra, **SMALL
    )
    assert edited.data
    result = api.images.generate(
        prompt="x", model="", quality="hd", style="vivid", user="me", extra_body=STEPS, **SMALL
    )
    assert result.data


def test_partial_images_are_streamed(api: openai.OpenAI) -> None:
    extra = {"steps": 4, "seed": 4}
    received = list(
        api.images.generate(
            prompt="a red apple", stream=True, partial_images=2, n=2, extra_body=extra, **SMALL
        )
    )
    partial = [each for each in received if each.type == "image_generation.partial_image"]
    whole = [each for each in received if each.type == "image_generation.completed"]
    assert [each.partial_image_index for each in partial] == [0, 1]
    assert [each.type for each in received[2:]] == ["image_generation.completed"] * 2
    sizes = [open_base64(each.b64_json).size for each in received]
    assert sizes == [(64, 64)] * 4
    assert {each.size for each in received} == {"64x64"}
    result = api.images.generate(prompt="a red apple", n=2, extra_body=extra, **SMALL)
    pictures = [open_base64(each.b64_json or "") for each in (whole[0], (result.data or [])[0])]
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_streamed_edit_reports_errors_as_events(api: openai.OpenAI) -> None:
    picture = ("in.png", base64.b64decode(png_base64()), "image/png")
    options: Any = {**SMALL, "extra_body": {**STEPS, "strength": 0.5}, "stream": True}
    received = list(api.images.edit(image=picture, prompt="x", output_format="jpeg", **options))
    assert [each.type for each in received] == ["image_edit.completed"]
    assert open_base64(received[0].b64_json).format == "JPEG"
    with pytest.raises(openai.BadRequestError) as size:
        api.images.edit(image=picture, prompt="x", **{**options, "size": "5x5"})
    assert size.value.param == "size"
    # Errors found only while the job runs are sent as an event.
    noise = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(noise, "JPEG")
    cut = ("in.jpg", noise.getvalue()[:-2000], "image/jpeg")
    with pytest.raises(openai.APIError, match="the init image that was sent") as damaged:
        list(api.images.edit(image=cut, prompt="x", **options))
    assert damaged.value.type == "invalid_request_error"


def test_openai_models_are_listed(api: openai.OpenAI) -> None:
    assert [each.id for each in api.models.list()] == ["pocket"]
    assert api.models.retrieve("pocket").object == "model"
    with pytest.raises(openai.NotFoundError):
        api.models.retrieve("other")


def test_errors_have_the_openai_form(api: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        api.images.generate(prompt="x", model="no-such-model")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as size:
        api.images.generate(prompt="x", size="huge")
    assert size.value.param == "size"
    with pytest.raises(openai.BadRequestError) as steps:
        api.images.generate(prompt="x", extra_body={"steps": 0}, **SMALL)
    assert steps.value.type == "invalid_request_error"
    assert steps.value.param == "steps"
    for wrong in ("100x100", "99999x99999", "64x0"):
        with pytest.raises(openai.BadRequestError) as odd:
            api.images.generate(prompt="x", size=wrong)
        assert odd.value.param == "size"
        assert "width" not in odd.value.message
        assert odd.value.message.count("size: ") == 1
    with pytest.raises(openai.BadRequestError) as nothing:
        api.images.edit(image=("x.png", b"nonsense", "image/png"), prompt="x", **SMALL)
    assert nothing.value.param == "image"
    with pytest.raises(openai.BadRequestError, match="at most 4") as many:
        api.images.generate(prompt="x", n=5, **SMALL)
    assert many.value.param == "n"


def test_out_of_memory_is_not_retried_by_the_client(
    pocket: Live, ask: httpx.Client, api: openai.OpenAI
) -> None:
    ask.post("/generate", json=QUICK)
    engine = pocket.generators[0].engine
    engine.modes = (MemoryMode.FULL,)  # the model stays in memory, with the fault in it
    fault = Fault(times=1000)
    patient = api.with_options(max_retries=3)
    with (
        failing(engine.loaded, Stage.ENCODE, fault),
        pytest.raises(openai.InternalServerError, match="memory ran out") as received,
    ):
        patient.images.generate(prompt="something new", extra_body=STEPS, **SMALL)
    assert received.value.status_code == 503
    body: Any = received.value.body
    assert body["attempts"]
    passes = fault.passes
    assert passes == len(body["attempts"])
    assert api.images.generate(prompt="x", extra_body=STEPS, **SMALL).data


def test_openapi_describes_stream_events(ask: httpx.Client) -> None:
    paths = ask.get("/openapi.json").json()["paths"]
    for path, method in (("/v1/images/generations", "post"), ("/jobs/{job_id}/events", "get")):
        content = paths[path][method]["responses"]["200"]["content"]
        event = content["text/event-stream"]["schema"]
        assert (event["type"], event["required"]) == ("object", ["event", "data"])


def test_markup_is_refused_as_a_mask_is(ask: httpx.Client) -> None:
    picture = base64.b64decode(png_base64())
    for name in ("mask", "markup"):
        files = {"image": ("a.png", picture), name: ("b.png", picture)}
        answer = ask.post("/v1/images/edits", data={"prompt": "x"}, files=files)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == name


@pytest.mark.parametrize("field", ["image", "image[]", "mask"])
def test_picture_that_is_no_file_is_refused_in_plain_words(scripted: Live, field: str) -> None:
    form = [("prompt", (None, "x")), (field, (None, png_base64()))]
    with scripted.client() as ask:
        answer = ask.post("/v1/images/edits", files=form)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message.startswith(field)
    assert message.endswith("must be a file: its part of the form needs a filename.")


def test_missing_values_are_named_as_in_json(scripted: Live) -> None:
    with scripted.client() as ask:
        answer = ask.post("/v1/images/generations", json={"prompt": None})
    assert answer.json()["error"]["message"] == "prompt: must be a valid string, not null."


@pytest.mark.parametrize("path", ["/generate", "/v1/images/generations"])
def test_errors_name_routes_not_commands(scripted: Live, path: str) -> None:
    with scripted.client() as ask:
        answer = ask.post(path, json={"prompt": "x", "sampler": "???"})
        missing = ask.get("/history/1")
    assert 'there is no sampler "???"; /samplers lists them.' in answer.text.replace('\\"', '"')
    assert "sdtui history" not in missing.text
