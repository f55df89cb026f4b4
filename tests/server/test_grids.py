"""Grids over HTTP: the native routes and A1111's script X/Y/Z plot."""

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

from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.scripts.xyz import labels_of
from tests.support.images import png_base64
from tests.support.live_server import Live, live
from tests.support.scripted_generator import ScriptedGenerator


@pytest.fixture(scope="module")
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, generator: ScriptedGenerator
) -> Iterator[Live]:
    """A server with a scripted generator, a short queue and small grids."""
    folder: Path = tmp_path_factory.mktemp("grids")
    with live(folder, lambda _: generator, queue_limit=2, max_grid=12) as running:
        yield running
        generator.hold.clear()


@pytest.fixture
def ask(server: Live) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def _script(*axes: tuple[str, str], mode: str = "txt2img", **options: Any) -> dict[str, Any]:
    """Return the fields of a request for A1111 1.10's script."""
    arguments: list[Any] = []
    for label, values in (*axes, *[("Nothing", "")] * (3 - len(axes))):
        arguments += [labels_of(mode).index(label), values, []]
    arguments += [
        True,
        options.get("lone", False),
        options.get("sub", False),
        options.get("random", False),
        *(False, False, False),
        options.get("margin", 0),
        True,
    ]
    return {"script_name": "X/Y/Z plot", "script_args": arguments}


def _pictures(answer: httpx.Response) -> list[Image.Image]:
    assert answer.status_code == 200, answer.text
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in answer.json()["images"]]


_BODY = {"prompt": "a cat on a mat", "seed": 7, "width": 64, "height": 64}


def test_the_script_answers_with_the_sheet_and_the_single_pictures(ask: httpx.Client) -> None:
    script = _script(("Steps", "1-3"), ("Prompt S/R", "cat,dog"), lone=True)
    answer = ask.post("/sdapi/v1/txt2img", json={**_BODY, **script})
    sheet, *single = _pictures(answer)
    assert sheet.width > 3 * 64
    assert [each.size for each in single] == [(64, 64)] * 6
    info = json.loads(answer.json()["info"])
    assert info["index_of_first_image"] == 1
    assert info["all_prompts"] == ["a cat on a mat"] * 3 + ["a dog on a mat"] * 3
    assert info["all_seeds"] == [7] * 6
    assert "Script: X/Y/Z plot, X Type: Steps, X Values: 1-3, " in info["infotexts"][0]
    assert len(info["infotexts"]) == 7


def test_without_single_pictures_the_answer_is_the_sheet(ask: httpx.Client) -> None:
    answer = ask.post("/sdapi/v1/txt2img", json={**_BODY, **_script(("Steps", "1,2"))})
    assert len(_pictures(answer)) == 1


def test_sub_grids_follow_the_sheet_of_all(ask: httpx.Client) -> None:
    script = _script(("Steps", "1,2"), ("Nothing", ""), ("CFG Scale", "5,7,9"), sub=True)
    answer = ask.post("/sdapi/v1/txt2img", json={**_BODY, **script})
    whole, *parts = _pictures(answer)
    assert len(parts) == 3
    assert whole.width == 3 * parts[0].width


def test_img2img_has_the_script_with_its_own_axes(ask: httpx.Client) -> None:
    script = _script(("Denoising", "0.4,0.8"), mode="img2img", lone=True)
    body = {**_BODY, "init_images": [png_base64()], "steps": 4, **script}
    assert len(_pictures(ask.post("/sdapi/v1/img2img", json=body))) == 3


def test_older_layouts_and_lists_of_values_are_understood(ask: httpx.Client) -> None:
    sampler = labels_of("txt2img").index("Sampler")
    arguments = [sampler, "", ["Euler a", "Heun"], 0, "", [], 0, "", []]
    arguments += [True, True, False, False, 0, False]
    body = {**_BODY, "script_name": "x/y/z plot", "script_args": arguments}
    answer = ask.post("/sdapi/v1/txt2img", json=body)
    assert len(_pictures(answer)) == 3
    texts = json.loads(answer.json()["info"])["infotexts"]
    assert 'X Values: "Euler a,Heun"' in texts[0]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ([("Sigma Churn", "1,2")], "X axis: there is no axis"),
        ([("Steps", "1,999")], "X axis, Steps: must be at most 150, not 999"),
        ([("Prompt S/R", "bird,dog")], "neither in the prompt"),
        ([("Checkpoint name", "missing")], "there is no model"),
        ([("Seed", "1-13")], "at most 12 pictures"),
    ],
)
def test_wrong_axes_are_refused_before_anything_is_queued(
    ask: httpx.Client, server: Live, axes: list[tuple[str, str]], words: str
) -> None:
    before = len(server.backend.jobs.jobs())
    answer = ask.post("/sdapi/v1/txt2img", json={**_BODY, **_script(*axes)})
    assert answer.status_code in (404, 422), answer.text
    assert words in answer.text
    assert len(server.backend.jobs.jobs()) == before


def test_interrupt_ends_the_whole_grid_and_the_sheet_has_what_is_there(
    ask: httpx.Client, server: Live, generator: ScriptedGenerator
) -> None:
    def interrupt_at_the_second() -> None:
        if len(generator.requests) == 2:
            with server.client() as other:
                other.post("/sdapi/v1/interrupt")

    generator.requests.clear()
    generator.step = interrupt_at_the_second  # type: ignore[method-assign]
    try:
        script = _script(("Steps", "1,2,3"), lone=True)
        answer = ask.post("/sdapi/v1/txt2img", json={**_BODY, **script})
    finally:
        del generator.step
    assert len(_pictures(answer)) == 2


def test_script_info_describes_the_arguments(ask: httpx.Client) -> None:
    found = ask.get("/sdapi/v1/script-info").json()
    first, second = (each for each in found if each["name"] == "x/y/z plot")
    assert (first["name"], first["is_img2img"], second["is_img2img"]) == ("x/y/z plot", False, True)
    assert len(first["args"]) == 18
    assert "Prompt S/R" in first["args"][0]["choices"]


def test_a_grid_is_queued_followed_and_its_sheet_fetched(ask: httpx.Client, server: Live) -> None:
    body = {
        "request": _BODY,
        "x": {"axis": "steps", "values": "1-3"},
        "y": {"axis": "prompt", "values": "cat,dog"},
    }
    begun = ask.post("/grids", json=body)
    assert begun.status_code == 202, begun.text
    grid = begun.json()
    assert begun.headers["location"] == grid["url"]
    assert len(grid["jobs"]) == 6
    server.until(lambda: bool(ask.get(grid["url"]).json()["sheets"]))
    over = ask.get(grid["url"]).json()
    assert over["is_over"]
    assert [job["state"] for job in over["jobs"]] == ["done"] * 6
    assert over["jobs"][3]["prompt"] == "a dog on a mat"
    sheet = ask.get(over["sheets"][0])
    assert sheet.headers["content-type"] == "image/png"
    found = ask.get("/history", params={"q": f"grid:{grid['id']}"}).json()
    assert found["total"] == 7


def test_a_grid_is_cancelled_as_one(
    ask: httpx.Client, server: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    body = {"request": _BODY, "x": {"axis": "steps", "values": "1-3"}}
    grid = ask.post("/grids", json=body).json()
    ask.delete(grid["url"])
    server.until(lambda: bool(ask.get(grid["url"]).json()["is_over"]))
    generator.hold.clear()
    over = ask.get(grid["url"]).json()
    assert {job["state"] for job in over["jobs"]} == {"cancelled"}
    assert over["sheets"] == []
    assert ask.get(f"{grid['url']}/sheets/0").status_code == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"request": _BODY}, "at least one axis"),
        ({"request": _BODY, "x": {"axis": "nothing at all"}}, "there is no axis"),
        ({"request": _BODY, "x": {"axis": "init_image", "values": "/etc/passwd"}}, "is no axis"),
        ({"request": {}, "x": {"axis": "steps", "values": "1"}}, "prompt"),
        ({"x": {"axis": "steps"}}, "request"),
    ],
)
def test_wrong_grids_are_refused(ask: httpx.Client, body: dict[str, Any], words: str) -> None:
    answer = ask.post("/grids", json=body)
    assert answer.status_code == 422, answer.text
    assert words in answer.text


def test_models_of_an_axis_are_never_paths(ask: httpx.Client) -> None:
    for axis in ("hires_model", "refiner"):
        body = {"request": _BODY, "x": {"axis": axis, "values": "/models/private"}}
        answer = ask.post("/grids", json=body)
        assert (answer.status_code, "no model" in answer.text) == (404, True), answer.text


def test_wildcards_of_cells_are_read_once(
    ask: httpx.Client, server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = server.backend.prompts.resolve

    def counted(request: GenerationRequest, **options: Any) -> ResolvedPrompts:
        asked.append(request.prompt)
        return resolve(request, **options)

    monkeypatch.setattr(server.backend.prompts, "resolve", counted)
    body = {
        "request": {**_BODY, "prompt": "a {red|red} cat"},
        "x": {"axis": "cfg", "values": "1,2"},
    }
    grid = ask.post("/grids", json=body).json()
    server.until(lambda: bool(ask.get(grid["url"]).json()["is_over"]))
    found = ask.get("/history", params={"q": f"grid:{grid['id']} sheet:no"}).json()
    assert [entry["prompt"] for entry in found["entries"]] == ["a red cat"] * 2
    assert len(asked) == 2


def test_an_unknown_grid_is_not_found(ask: httpx.Client) -> None:
    assert ask.get("/grids/none").status_code == 404
