"""A1111's scripts "Prompt matrix" and "Prompts from file or textbox"."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from sdtui.core.errors import SdtuiError
from sdtui.requests.request import GenerationRequest
from tests.support.images import png_base64
from tests.support.live_server import Live, live
from tests.support.scripted_generator import ScriptedGenerator

_BODY = {"prompt": "a cat", "seed": 7, "width": 64, "height": 64, "steps": 4}


@pytest.fixture(scope="module")
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, generator: ScriptedGenerator
) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("scripts")
    with live(folder, lambda _: generator, max_grid=12) as running:
        yield running


@pytest.fixture
def ask(server: Live, generator: ScriptedGenerator) -> Iterator[httpx.Client]:
    generator.requests.clear()
    with server.client() as client:
        yield client


def _matrix(prompt: str, *arguments: Any, **body: Any) -> dict[str, Any]:
    """Return a body; `arguments` are those after the first ones of the script."""
    usual: list[Any] = [False, False, "positive", "comma", 0]
    given = [*arguments, *usual[len(arguments) :]]
    return {
        **_BODY,
        **{"prompt": prompt, "script_name": "Prompt matrix", "script_args": given},
        **body,
    }


def _lines(*lines: str, **body: Any) -> dict[str, Any]:
    options = body.pop("options", [False, False, "start"])
    given = [*options, "\n".join(lines)]
    script = {"script_name": "Prompts from file or textbox", "script_args": given}
    return {**_BODY, **{"prompt": ""}, **script, **body}


def _info(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    info: dict[str, Any] = json.loads(answer.json()["info"])
    return info


def _sizes(answer: httpx.Response) -> list[tuple[int, int]]:
    files = (base64.b64decode(each) for each in answer.json()["images"])
    return [Image.open(io.BytesIO(each)).size for each in files]


def test_a_matrix_has_every_combination_row_by_row_below_the_sheet(ask: httpx.Client) -> None:
    body = _matrix("a cat|red|in the sea, | at night")
    answer = ask.post("/sdapi/v1/txt2img", json=body)
    info = _info(answer)
    assert info["all_prompts"] == [
        "a cat",
        "a cat, red",
        "a cat, in the sea",
        "a cat, red, in the sea",
        "a cat, at night",
        "a cat, red, at night",
        "a cat, in the sea, at night",
        "a cat, red, in the sea, at night",
    ]
    assert info["all_seeds"] == [7] * 8
    assert info["index_of_first_image"] == 1
    sheet, *single = _sizes(answer)
    assert single == [(64, 64)] * 8
    assert sheet[0] >= 4 * 64
    assert sheet[1] >= 2 * 64


def test_parts_can_stand_first_with_blanks_between_and_seeds_of_their_own(
    ask: httpx.Client,
) -> None:
    body = _matrix("a cat|red|big|old", True, True, "positive", "space", 4, batch_size=2)
    info = _info(ask.post("/sdapi/v1/txt2img", json=body))
    assert info["all_prompts"][1:] == [
        "red a cat",
        "big a cat",
        "red big a cat",
        "old a cat",
        "red old a cat",
        "big old a cat",
        "red big old a cat",
    ]
    assert info["all_seeds"] == [7, 8, 9, 10, 11, 12, 13, 14]


def test_the_negative_prompt_can_be_a_matrix(ask: httpx.Client) -> None:
    body = _matrix("a cat", False, False, "negative", negative_prompt="blur|dark")
    info = _info(ask.post("/sdapi/v1/txt2img", json=body))
    assert info["all_negative_prompts"] == ["blur", "blur, dark"]
    assert info["all_prompts"] == ["a cat"] * 2


def test_a_prompt_without_bars_is_one_picture(ask: httpx.Client) -> None:
    answer = ask.post("/sdapi/v1/txt2img", json=_matrix("a cat"))
    assert _info(answer)["all_prompts"] == ["a cat"]


def test_each_line_is_a_prompt_or_options(ask: httpx.Client, generator: ScriptedGenerator) -> None:
    body = _lines(
        "a dog",
        "",
        '--prompt "a red fox" in snow --steps 9 --cfg_scale 3.5 --sampler_name Heun --n_iter 2',
        "--negative_prompt blur --width 128 --tiling true --outpath_samples /tmp",
        "two -- three",
        "--prompt x --unknown 1",
    )
    info = _info(ask.post("/sdapi/v1/txt2img", json=body))
    first, second, third, fourth, fifth = generator.requests
    assert (first.prompt, first.num_inference_steps, first.seed) == ("a dog", 4, 7)
    assert (second.prompt, second.num_inference_steps) == ("a red fox in snow", 9)
    assert (second.guidance_scale, second.sampler) == (3.5, "Heun")
    assert second.num_images_per_prompt == 2
    assert (third.prompt, third.negative_prompt, third.width) == ("", "blur", 128)
    assert third.tiling.tiling
    assert [fourth.prompt, fifth.prompt] == ["two -- three", "--prompt x --unknown 1"]
    assert info["all_prompts"] == [
        *("a dog", "a red fox in snow", "a red fox in snow"),
        *("", "two -- three", "--prompt x --unknown 1"),
    ]
    assert info["index_of_first_image"] == 0
    assert len(info["infotexts"]) == 6
    assert info["not_applied"] == []


def test_prompts_of_the_request_are_joined(ask: httpx.Client, generator: ScriptedGenerator) -> None:
    shared = {"prompt": "in oil", "negative_prompt": "blur"}
    lines = ("a dog", "--prompt a fox --negative_prompt dark")
    for place in ("start", "end"):
        body = _lines(*lines, options=[False, False, place], **shared)
        _info(ask.post("/sdapi/v1/txt2img", json=body))
    texts = [(each.prompt, each.negative_prompt) for each in generator.requests]
    assert texts == [
        *(("a dog in oil", "blur"), ("a fox in oil", "dark blur")),
        *(("in oil a dog", "blur"), ("in oil a fox", "blur dark")),
    ]


def _seeds(requests: list[GenerationRequest]) -> list[int]:
    return [each.seed or 0 for each in requests]


def test_seeds_count_up_or_are_the_same_or_random(
    ask: httpx.Client, generator: ScriptedGenerator
) -> None:
    lines = ("a", "b --seed 3", "c", "--prompt d --seed 99")
    body = _lines(*lines, options=[True, False, "start"], n_iter=2)
    _info(ask.post("/sdapi/v1/txt2img", json=body))
    assert _seeds(generator.requests) == [7, 9, 11, 99]
    generator.requests.clear()
    body = _lines("a", "b", options=[False, True, "start"], seed=-1)
    _info(ask.post("/sdapi/v1/txt2img", json=body))
    assert len(set(_seeds(generator.requests))) == 1
    generator.requests.clear()
    _info(ask.post("/sdapi/v1/txt2img", json=_lines("a", "b", seed=-1)))
    assert len(set(_seeds(generator.requests))) == 2


def test_lines_start_from_a_picture_and_older_layouts_are_understood(
    ask: httpx.Client, generator: ScriptedGenerator
) -> None:
    body = _lines("a", "b", options=[False, False], init_images=[png_base64()])
    assert len(_sizes(ask.post("/sdapi/v1/img2img", json=body))) == 2
    assert all(each.image_to_image for each in generator.requests)


def test_what_failed_is_left_out_unless_all_did(
    ask: httpx.Client, generator: ScriptedGenerator
) -> None:
    failures = iter([None, SdtuiError("it broke"), None])

    def step() -> None:
        if (error := next(failures, None)) is not None:
            raise error

    generator.step = step  # type: ignore[method-assign]
    try:
        info = _info(ask.post("/sdapi/v1/txt2img", json=_lines("a", "b", "c")))
    finally:
        del generator.step
    assert info["all_prompts"] == ["b", "c"]
    assert "it broke" in info["warnings"][0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (_lines("a", "--prompt b --steps 999"), "line 2 of the script"),
        (_lines("--prompt b --sampler_name Nobody"), 'no sampler \\"Nobody\\"'),
        (_lines("--prompt b --sd_model missing"), "missing"),
        (_lines(*"abcdefghijklm"), "takes 1 to 12 lines on this server, not 13"),
        (_lines(""), "takes 1 to 12 lines"),
        (_lines("a", options=[False, False, "middle"]), "takes start or end, not middle"),
        (_lines("a", options=[]), "takes 4 arguments, not 1"),
        (_lines("a", script_args=[False, False, "start", ["a"]]), "is a text"),
        (_matrix("a|b", False, False, "both"), "takes positive or negative, not both"),
        (_matrix("a|b", False, False, "positive", 7), "takes comma or space, not 7"),
        (_matrix("a|b", script_args=[1]), "takes 5 arguments, not 1"),
        (_matrix("a|b", False, False, "positive", "comma", "wide"), "must be a number"),
        (_matrix("a|1|2|3|4"), "at most 12 pictures on this server, not 16"),
        ({**_BODY, "script_name": "Loopback"}, "Script 'Loopback' not found"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_queued(
    ask: httpx.Client, server: Live, body: dict[str, Any], words: str
) -> None:
    before = len(server.backend.jobs.jobs())
    answer = ask.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code in (400, 404, 422), answer.text
    assert words in answer.text
    assert len(server.backend.jobs.jobs()) == before


def test_scripts_are_listed_and_described(ask: httpx.Client) -> None:
    names = ask.get("/sdapi/v1/scripts").json()
    scripts = ["prompts from file or textbox", "prompt matrix", "x/y/z plot"]
    assert names["txt2img"] == [*scripts, "controlnet"]
    found = [(each["name"], len(each["args"])) for each in ask.get("/sdapi/v1/script-info").json()]
    shared = [(name, count) for name, count in zip(scripts, (4, 5, 18), strict=True)]
    assert found == [*shared, *shared, ("sd upscale", 4), ("ultimate sd upscale", 18)]
    assert names["img2img"] == [
        *scripts,
        "sd upscale",
        "ultimate sd upscale",
        "controlnet",
        "soft inpainting",
    ]
