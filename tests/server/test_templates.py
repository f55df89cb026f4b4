"""Styles, wildcards, dynamic prompts and presets through the APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sdtui.core.settings import Settings
from sdtui.requests.presets import presets_file, save_preset
from sdtui.requests.styles import Style, save_style
from tests.support.live_server import live
from tests.support.scripted_generator import ScriptedGenerator


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("templates")
    (folder / "wildcards").mkdir()
    (folder / "wildcards" / "colour.txt").write_text("red\nblue\n")
    save_style(folder / "styles.csv", Style("film", "{prompt}, grain", "digital"))
    settings = Settings(
        device="cpu",
        wildcard_folders=(folder / "wildcards",),
        styles_file=folder / "styles.csv",
    )
    generator = ScriptedGenerator()
    with (
        live(folder, lambda _: generator, settings=settings, max_pictures=8) as running,
        running.client() as client,
    ):
        yield client


def info_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return json.loads(answer.json()["info"])


def test_a1111_lists_styles_and_applies_them(client: httpx.Client) -> None:
    assert client.get("/sdapi/v1/prompt-styles").json() == [
        {"name": "film", "prompt": "{prompt}, grain", "negative_prompt": "digital"}
    ]
    body = {"prompt": "a cat", "styles": ["film", "none"], "seed": 1}
    info = info_of(client.post("/sdapi/v1/txt2img", json=body))
    assert (info["all_prompts"], info["all_negative_prompts"]) == (["a cat, grain"], ["digital"])
    assert info["infotexts"][0].startswith("a cat, grain\nNegative prompt: digital\n")
    assert info["styles"] == ["film"]
    assert info["not_applied"] == ["styles: none"]


def test_a1111s_pictures_have_prompts_of_their_own(client: httpx.Client) -> None:
    body = {"prompt": "a __colour__ {ball|cube}", "batch_size": 2, "n_iter": 4, "seed": 5}
    info = info_of(client.post("/sdapi/v1/txt2img", json=body))
    assert len(info["all_prompts"]) == 8
    assert len(set(info["all_prompts"])) > 1
    assert [text.split("\n")[0] for text in info["infotexts"]] == info["all_prompts"]
    assert all("Template: a __colour__ {ball|cube}" in text for text in info["infotexts"])
    again = info_of(client.post("/sdapi/v1/txt2img", json=body))
    assert again["all_prompts"] == info["all_prompts"]
    from_text = info_of(client.post("/sdapi/v1/txt2img", json={"infotext": info["infotexts"][3]}))
    assert from_text["all_prompts"] == [info["all_prompts"][3]]


def test_native_api_lists_and_expands(client: httpx.Client) -> None:
    assert client.get("/styles").json()[0]["name"] == "film"
    assert client.get("/wildcards", params={"name": "col*"}).json() == {
        "names": ["colour"],
        "lines": ["red", "blue"],
    }
    body = {"prompt": "a __colour__ __no__", "styles": ["film"], "num_images_per_prompt": 3}
    expanded = client.post("/expand", json=body).json()
    assert len(expanded["prompts"]) == 3
    assert expanded["prompts"][0]["negative_prompt"] == "digital"
    assert expanded["notices"] == [
        "there is no wildcard no, or it is empty, so it stays as written"
    ]
    same = client.post("/expand", json={**body, "seed": expanded["seed"]}).json()
    assert same["prompts"] == expanded["prompts"]
    plain = client.post("/expand", json={"prompt": "x"}).json()
    assert plain == {
        "seed": None,
        "prompts": [{"prompt": "x", "negative_prompt": ""}],
        "notices": [],
    }


def test_combinations_are_limited_by_the_server(client: httpx.Client) -> None:
    body = {"prompt": "{1|2|3}{1|2|3}{1|2|3}", "dynamic_prompts": "combinatorial"}
    made = client.post("/generate", json=body).json()
    assert 1 + len(made["more"]) == 8
    assert "there are more combinations than these 8 pictures" in made["record"]["notices"]


def test_presets_fill_what_a_request_leaves_open(client: httpx.Client) -> None:
    save_preset("draft", {"num_inference_steps": 2, "styles": ("film",)})
    draft = {"num_inference_steps": 2, "styles": ["film"]}
    assert client.get("/presets").json() == {"draft": draft}
    made = client.post("/generate", json={"prompt": "x", "preset": "draft"}).json()
    assert made["record"]["request"]["num_inference_steps"] == 2
    assert made["record"]["prompt"] == "x, grain"
    own = {"prompt": "x", "preset": "draft", "num_inference_steps": 3}
    request = client.post("/generate", json=own).json()["record"]["request"]
    assert request["num_inference_steps"] == 3
    expanded = client.post("/expand", json={"prompt": "x", "preset": "draft"}).json()
    assert expanded["prompts"][0]["prompt"] == "x, grain"


def test_wrong_preset_leaves_the_others_and_no_file_is_named(client: httpx.Client) -> None:
    file = presets_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('[good]\nwidth = 64\ninit_image = "/srv/x.png"\n[wrong]\nwidth = "wide"\n')
    assert client.get("/presets").json() == {"good": {"width": 64}}
    refused = client.post("/generate", json={"prompt": "x", "preset": "wrong"})
    assert refused.status_code == 422
    assert "the log of the server" in refused.text
    file.write_text("[wrong")
    for answer in (refused, client.get("/presets")):
        assert str(file.parent) not in answer.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"prompt": "x", "styles": ["fil"]}, 'no style \\"fil\\"'),
        ({"prompt": "x", "styles": [1]}, "styles"),
        ({"prompt": "x", "preset": "none"}, "there are: none"),
        ({"prompt": "x", "preset": 3}, "there are: none"),
        ({"prompt": "x", "dynamic_prompts": "loud"}, "dynamic_prompts"),
    ],
)
def test_unknown_names_are_refused(client: httpx.Client, body: dict[str, Any], words: str) -> None:
    answer = client.post("/generate", json=body)
    assert answer.status_code in (400, 422), answer.text
    assert words in answer.text
