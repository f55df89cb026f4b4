"""A1111's API of ControlNet, and controls in the native one."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.server.api.a1111.control_units import parse_units
from sdtui.server.bodies import MAX_TEXT
from sdtui.server.errors import ApiError
from tests.support.images import open_base64, png_base64
from tests.support.live_server import QUICK, Live, live
from tests.support.tiny_controlnets import make_controlnet, save_as_file

_UNIT = {
    "enabled": True,
    "module": "canny",
    "model": "control_canny [d14c016b]",
    "image": "cGljdHVyZQ==",
    "weight": 0.8,
    "guidance_end": 0.6,
    "control_mode": "My prompt is more important",
    "resize_mode": 2,
    "threshold_a": 50,
}


def _entries(*units: Any, has_init_image: bool = False) -> list[dict[str, Any]]:
    return [each.entry(has_init_image=has_init_image) for each in parse_units({"args": [*units]})]


def test_unit_becomes_an_entry() -> None:
    (entry,) = _entries(_UNIT)
    assert entry["name"] == "control_canny [d14c016b]"
    assert (entry["weight"], entry["end"], entry["mode"]) == (0.8, 0.6, "prompt")
    assert (entry["preprocessor"], entry["low"], entry["high"]) == ("canny", 50, None)
    assert (entry["resize"], entry["resolution"], entry["passes"]) == ("pad", None, "both")


@pytest.mark.parametrize(
    "image",
    [{"image": "x", "mask": None}, ["x", None], [{"image": "x"}], "x"],
)
def test_picture_comes_in_many_forms(image: Any) -> None:
    (entry,) = _entries({**_UNIT, "image": image})
    assert entry["image"] == "x"


def test_aliases_of_old_clients_are_understood() -> None:
    unit = {name: value for name, value in _UNIT.items() if name not in ("image", "guidance_end")}
    (entry,) = _entries({**unit, "input_image": "x", "guidance": 0.5, "lowvram": True})
    assert (entry["image"], entry["end"]) == ("x", 0.5)


def test_units_are_off_until_they_are_switched_on() -> None:
    assert _entries({name: value for name, value in _UNIT.items() if name != "enabled"}) == []


def test_mask_is_named_as_without_effect() -> None:
    (unit,) = parse_units([{**_UNIT, "mask": "y"}])
    assert unit.not_applied() == ["mask"]


def test_what_else_a_unit_has_is_named_unless_it_changes_nothing() -> None:
    more = {"pulid_mode": "Fidelity", "low_vram": True, "advanced_weighting": [1.0] * 13}
    (unit,) = parse_units([{**_UNIT, **more, "batch_images": "x"}])
    assert unit.not_applied() == ["advanced_weighting", "pulid_mode"]


def test_type_of_a_union_net_has_the_names_of_the_extension() -> None:
    names = ("Soft Edge", "OpenPose", "Inpaint", "Unknown")
    units = [{**_UNIT, "union_control_type": name} for name in names]
    assert [each["type"] for each in _entries(*units)] == ["scribble", "pose", "repaint", None]
    with pytest.raises(ApiError, match="union_control_type must be"):
        _entries({**_UNIT, "union_control_type": "hand"})


def test_pass_of_a_unit_counts_with_a_hires_fix_alone() -> None:
    (unit,) = parse_units([{**_UNIT, "hr_option": "High res only"}])
    passes = [unit.entry(has_init_image=False, has_hires=each)["passes"] for each in (True, False)]
    assert passes == ["hires", "both"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"image": None}, "enabled but no input image is given"),
        ({"model": "None"}, "not selected any ControlNet Model"),
        ({"module": "cany"}, "did you mean canny"),
        ({"weight": 3}, "unit 0: weight"),
        ({"control_mode": "all"}, "control_mode can't be 'all'"),
    ],
)
def test_wrong_unit_is_refused_with_the_reason(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ApiError, match=problem):
        _entries({**_UNIT, **change})


def test_init_image_takes_the_place_of_a_missing_picture() -> None:
    (entry,) = _entries({**_UNIT, "image": None}, has_init_image=True)
    assert not entry["image"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Iterator[Live]:
    """A server with a tiny model and a ControlNet for it."""
    folder = tmp_path_factory.mktemp("nets")
    save_as_file(make_controlnet(tiny_sd1), folder / "tiny_canny.safetensors")
    settings = Settings(device="cpu", model=str(tiny_sd1), controlnet_folders=(folder,))
    with live(tmp_path_factory.mktemp("server"), settings=settings) as running:
        yield running


@pytest.fixture
def client(server: Live) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_lists_have_what_clients_look_for(client: httpx.Client) -> None:
    name, _bundled = client.get("/controlnet/model_list").json()["model_list"]
    assert re.fullmatch(r"tiny_canny \[[0-9a-f]{8}\]", name)
    assert "canny" in client.get("/controlnet/module_list").json()["module_list"]
    types = client.get("/controlnet/control_types").json()["control_types"]
    assert types["Canny"]["default_model"] == name
    assert {"OpenPose", "Segmentation", "Recolor", "IP-Adapter"} <= types.keys()
    assert client.get("/controlnet/settings").json()["control_net_unit_count"] >= 3
    assert client.get("/controlnet/version").json()["version"]


def test_picture_and_its_control_map_are_sent(client: httpx.Client) -> None:
    unit = {**_UNIT, "model": "tiny_canny", "image": png_base64(128)}
    body = {"prompt": "x", "steps": 2, "width": 64, "height": 64, "seed": 1}
    body["alwayson_scripts"] = {"controlnet": {"args": [unit]}}
    answer = client.post("/sdapi/v1/txt2img", json=body).json()
    assert len(answer["images"]) == 2
    made = Image.open(io.BytesIO(base64.b64decode(answer["images"][1])))
    assert made.size == (64, 64)
    info = json.loads(answer["info"])
    assert info["not_applied"] == []
    assert re.search(r'ControlNet 0: "Module: canny, Model: tiny_canny \[', info["infotexts"][0])
    assert "alwayson_scripts" not in answer["parameters"]
    unit["save_detected_map"] = False
    assert len(client.post("/sdapi/v1/txt2img", json=body).json()["images"]) == 1


def test_unknown_net_is_refused(client: httpx.Client) -> None:
    unit = {**_UNIT, "model": "nothing", "image": png_base64()}
    body = {"prompt": "x", "alwayson_scripts": {"ControlNet": {"args": [unit]}}}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code in (404, 422)
    assert "nothing" in answer.text


@pytest.mark.parametrize("name", ["controlnet_input_images", "controlnet_images"])
def test_map_is_made_without_a_job(name: str, client: httpx.Client) -> None:
    body = {"controlnet_module": "canny", name: [png_base64()]}
    (made,) = client.post("/controlnet/detect", json=body).json()["images"]
    assert Image.open(io.BytesIO(base64.b64decode(made))).size == (512, 512)
    body["controlnet_module"] = "openpose"
    assert client.post("/controlnet/detect", json=body).status_code == 422


def test_map_is_made_of_any_picture_and_a_damaged_one_is_refused(client: httpx.Client) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (280, 512, 3), np.uint8))
    files = []
    options: dict[str, Any]
    for options in ({}, {"exif": _turned()}):
        buffer = io.BytesIO()
        noise.save(buffer, "PNG", compress_level=0, **options)
        files.append(buffer.getvalue())
    assert sum(map(len, files)) * 4 / 3 > MAX_TEXT
    sent = [base64.b64encode(each).decode() for each in files]
    body: dict[str, Any] = {"controlnet_module": "invert", "controlnet_input_images": sent}
    body["controlnet_processor_res"] = 64
    answer = client.post("/controlnet/detect", json=body).json()
    made = [open_base64(each) for each in answer["images"]]
    assert [each.width > each.height for each in made] == [True, False]
    body["controlnet_input_images"] = [base64.b64encode(files[0][:300]).decode()]
    refused = client.post("/controlnet/detect", json=body)
    assert (refused.status_code, refused.json()["error"]) == (400, "ImageError")


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    return exif


@pytest.mark.parametrize("control", ["{name}:{file}", {"name": "{name}", "image": "{file}"}])
def test_files_of_the_server_are_never_read(
    client: httpx.Client, tmp_path: Path, control: Any
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "secret.png")
    text = json.dumps(control).replace("{name}", "tiny_canny")
    entry = json.loads(text.replace("{file}", str(tmp_path / "secret.png")))
    answer = client.post("/generate", json={**QUICK, "controls": [entry]})
    assert answer.status_code == 400
    assert "base64" in answer.text


def test_net_of_a_path_is_refused(client: httpx.Client, tmp_path: Path) -> None:
    net = {"name": str(tmp_path / "net.safetensors"), "image": png_base64()}
    answer = client.post("/generate", json={**QUICK, "controls": [net]})
    assert answer.status_code in (400, 404, 422)


def test_native_api_takes_pictures_in_entries(client: httpx.Client, server: Live) -> None:
    control = {"name": "tiny_canny", "image": png_base64(), "weight": 0.5}
    answer = client.post("/generate", json={**QUICK, "controls": [control]}).json()
    assert answer["record"]["settings"]["control_units"][0]["net"] == "tiny_canny"
    control["image"] = "data:image/png;base64," + png_base64()
    assert client.post("/generate", json={**QUICK, "controls": [control]}).status_code == 200


def test_openais_api_takes_pictures_in_entries(client: httpx.Client, server: Live) -> None:
    noise = io.BytesIO()
    Image.effect_noise((128, 128), 90).save(noise, "PNG")
    image = base64.b64encode(noise.getvalue()).decode()
    assert 4_000 < len(image) < 60_000
    body = {"prompt": "x", "size": "64x64", "num_inference_steps": 2}
    for control in ({"name": "tiny_canny", "image": image, "weight": 0.5}, f"tiny_canny:{image}"):
        answer = client.post("/v1/images/generations", json={**body, "controls": [control]})
        assert answer.status_code == (200 if isinstance(control, dict) else 400), answer.text
