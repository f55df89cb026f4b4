"""LoRAs through the APIs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.server.api.a1111.scripts.xyz import labels_of
from tests.support.live_server import live
from tests.support.model_files import safetensors
from tests.support.scripted_generator import ScriptedGenerator

NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "models/Lora"
    folder.mkdir(parents=True)
    shapes = {f"{NAME}.lora_down.weight": (8, 768), f"{NAME}.lora_up.weight": (320, 8)}
    metadata = {"ss_output_name": "grain", "ssmd_cover_images": "x" * 60_000}
    safetensors(folder / "film.safetensors", shapes, metadata)
    (folder / "old.pt").write_bytes(b"\x80")
    return Settings(device="cpu", model_folders=(tmp_path,))


def test_loras_are_listed(tmp_path: Path, generator: ScriptedGenerator, settings: Settings) -> None:
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        film, old = ask.get("/loras").json()
        assert (film["name"], film["alias"], film["family"]) == ("film", "grain", "sd1")
        assert (film["kind"], film["rank"]) == ("LoRA", 8)
        assert film["autov2"] is film["preview"] is None
        assert "pickle" in old["problem"]
        (theirs,) = ask.get("/sdapi/v1/loras").json()
        assert (theirs["name"], theirs["alias"]) == ("film", "grain")
        assert theirs["metadata"] == {"ss_output_name": "grain"}
        assert ask.post("/sdapi/v1/refresh-loras").is_success


def test_hashes_and_previews_are_there_where_they_are_asked_for(
    tmp_path: Path, generator: ScriptedGenerator, settings: Settings
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "models/Lora/film.preview.png")
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        film = ask.get("/loras", params={"hashes": True}).json()[0]
        assert (len(film["autov2"]), len(film["autov3"])) == (10, 12)
        found = ask.get(film["preview"])
        assert found.headers["content-type"] == "image/png"
        for path in ("film.png", "/models/film.preview.png"):  # where A1111's clients look for it
            thumb = ask.get("/sd_extra_networks/thumb", params={"filename": path})
            assert thumb.content == found.content
        for name in ("old", "nothing", str(tmp_path / "models/Lora/film.safetensors")):
            assert ask.get("/loras/preview", params={"name": name}).is_client_error
        (tmp_path / "models/Lora/film.preview.png").unlink()
        assert ask.get("/loras/preview?name=film").status_code == 404


def test_requests_name_loras_that_are_here_and_no_files(
    tmp_path: Path, generator: ScriptedGenerator, settings: Settings
) -> None:
    path = tmp_path / "models/Lora/film.safetensors"
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        for wrong in ("fil", str(path)):
            refused = ask.post("/generate", json={"prompt": "x", "loras": [wrong]})
            assert refused.is_client_error
            assert "there is no LoRA" in refused.text
        refused = ask.post("/generate", json={"prompt": "x <lora:nothing:1>"})
        assert "there is no LoRA" in refused.text
        assert not generator.requests
        for values in ({"adapters": {"loras": ["film:0.5"]}}, {"loras": ["grain:0.5"]}):
            assert ask.post("/generate", json={"prompt": "x", **values}).is_success
        assert ask.post("/sdapi/v1/txt2img", json={"prompt": "x <lora:film:1>"}).is_success
    assert [each.adapters.loras for each in generator.requests] == [
        ("film:0.5",),
        ("grain:0.5",),
        (),
    ]


def test_a_template_does_not_become_the_path_of_a_file(
    tmp_path: Path, generator: ScriptedGenerator, settings: Settings
) -> None:
    path = tmp_path / "models/Lora/film.safetensors"
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        hidden = f"x <lo{{ra|ra}}:{path}:1>"
        for route in ("/generate", "/sdapi/v1/txt2img"):
            refused = ask.post(route, json={"prompt": hidden})
            assert refused.status_code == 404, refused.text
        axis = {"axis": "Steps", "values": "1,2"}
        refused = ask.post("/grids", json={"request": {"prompt": hidden}, "x": axis})
        assert refused.status_code == 404, refused.text
        for wrong in (f"<lora:{{{path}|{path}}}:1>", "<lora:{filn|filn}:1>", "<lora:film:{x|x}>"):
            assert ask.post("/generate", json={"prompt": wrong}).is_client_error
        for right in ("<lo{ra|ra}:film:1>", "<lora:{film|Film}:1>", "<lora:film:{0.5|0.7}>"):
            assert ask.post("/generate", json={"prompt": f"x {right}"}).is_success
    assert len(generator.requests) == 3


def test_a1111_makes_pictures_without_networks_that_are_not_here(
    tmp_path: Path, generator: ScriptedGenerator, settings: Settings
) -> None:
    path = tmp_path / "models/Lora/film.safetensors"
    unusable = ("<lora:filn:0.5>", f"<lora:{path}:1>", "<hypernet:wool:1>", "<lora:film:x>")
    prompt = f"a fox <lora:Film:0.7> {' '.join(unusable)}"
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        answer = ask.post("/sdapi/v1/txt2img", json={"prompt": prompt})
    assert answer.status_code == 200, answer.text
    info = json.loads(answer.json()["info"])
    assert info["not_applied"] == [each[:100] for each in unusable]
    assert info["comments"][0] == 'Networks not found: filn. Did you mean "film"?'
    assert any("hypernetwork" in each for each in info["comments"])
    assert any("not a number" in each for each in info["comments"])
    (made,) = generator.requests
    assert made.prompt.strip() == "a fox <lora:Film:0.7>"


def test_a1111_leaves_out_what_is_only_named_by_templates_and_cells(
    tmp_path: Path, generator: ScriptedGenerator, settings: Settings
) -> None:
    axis = labels_of("txt2img").index("Prompt S/R")
    arguments = [axis, "film,filn", [], *[0, "", []] * 2, True, *[False] * 6, 0, True]
    script = {"script_name": "X/Y/Z plot", "script_args": arguments}
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        weight = {"prompt": "x <lora:film:{0.5|0.5}>"}
        made = ask.post("/sdapi/v1/txt2img", json=weight)
        assert generator.requests[-1].prompt == "x <lora:film:0.5>"
        for values in ({"prompt": "x <lora:{film|Film}:1>"}, {"prompt": "x <lo{ra|ra}:filn:1>"}):
            made = ask.post("/sdapi/v1/txt2img", json=values)
            assert made.is_success, made.text
        made = ask.post("/sdapi/v1/txt2img", json={"prompt": "x <lora:film:1>", **script})
        assert made.is_success, made.text
    assert len(generator.requests) == 5
    assert {each.adapters.unusable_loras for each in generator.requests} == {"leave_out"}


def test_a1111_repeats_the_notices_of_pictures(
    tmp_path: Path, generator: ScriptedGenerator, settings: Settings
) -> None:
    generator.notices = ("the LoRA film was left out: it is made for SDXL",)
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        made = ask.post("/sdapi/v1/txt2img", json={"prompt": "x", "batch_size": 2})
    assert json.loads(made.json()["info"])["comments"] == list(generator.notices)


def test_openai_requests_name_loras(
    tmp_path: Path, generator: ScriptedGenerator, settings: Settings
) -> None:
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        made = ask.post("/v1/images/generations", json={"prompt": "x", "loras": ["film:0.5"]})
        assert made.is_success, made.text
        assert "not_applied" not in made.json()
        refused = ask.post("/v1/images/generations", json={"prompt": "x", "loras": ["filn"]})
        assert "there is no LoRA" in refused.text
    assert [each.adapters.loras for each in generator.requests] == [("film:0.5",)]
