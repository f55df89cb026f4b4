"""How A1111's fields are mapped, and how unsupported ones are reported."""

from __future__ import annotations

import base64
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdtui.jobs import JobPicture
from sdtui.requests.events import Cancelled
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.img2img_body import Img2ImgBody
from sdtui.server.api.a1111.runs import behind_skipped
from sdtui.server.api.a1111.schemas import Txt2ImgBody
from sdtui.server.errors import ApiError
from sdtui.server.services.generation import GenerationOutcome, Picture
from tests.support.images import open_base64, png_base64
from tests.support.live_server import PATIENCE, Live

SMALL: dict[str, Any] = {"prompt": "x", "steps": 2, "width": 64, "height": 64}


@pytest.mark.parametrize(
    ("values", "sampler"),
    [
        ({"sampler_name": "DPM++ 2M"}, "DPM++ 2M Karras"),
        ({"sampler_name": "DPM++ 2M", "scheduler": None}, "DPM++ 2M Karras"),
        ({"sampler_name": "DPM++ 2M", "scheduler": ""}, "DPM++ 2M Karras"),
        ({"sampler_name": "DPM++ 2M", "scheduler": "Automatic"}, "DPM++ 2M Karras"),
        ({"sampler_name": "DPM++ 2M", "scheduler": "Uniform"}, "DPM++ 2M"),
        ({"sampler_name": "DPM++ 2M SDE"}, "DPM++ 2M SDE Exponential"),
        ({"sampler_name": "Euler a"}, "Euler a"),
        ({"sampler_index": "Euler"}, "Euler"),
        ({"scheduler": "Automatic"}, None),
    ],
)
def test_scheduler_field_chooses_the_schedule_of_the_sampler(
    values: dict[str, Any], sampler: str | None
) -> None:
    body = Txt2ImgBody(prompt="x", **values)
    assert body.values().get("sampler") == sampler
    assert body.not_applied() == []


@pytest.mark.parametrize(
    ("mode", "fit"), [(None, "stretch"), (0, "stretch"), (1, "crop"), (2, "pad"), (3, "stretch")]
)
def test_every_resize_mode_is_mapped_or_refused(mode: int | None, fit: str) -> None:
    values = {} if mode is None else {"resize_mode": mode}
    assert Img2ImgBody(init_images=["x"], **values).values()["init_image_fit"] == fit


def test_stretched_picture_keeps_its_edges(ask: httpx.Client) -> None:
    wide = Image.new("RGB", (768, 256), "red")
    wide.paste("blue", (0, 0, 256, 256))
    wide.paste("lime", (512, 0, 768, 256))
    buffer = io.BytesIO()
    wide.save(buffer, "PNG")
    sent = {**SMALL, "init_images": [base64.b64encode(buffer.getvalue()).decode()]}
    sent |= {"width": 128, "height": 128, "denoising_strength": 0}
    ends = {}
    for mode in (0, 1):
        answer = ask.post("/sdapi/v1/img2img", json={**sent, "resize_mode": mode})
        picture = open_base64(answer.json()["images"][0])
        ends[mode] = [cast("tuple[int, ...]", picture.getpixel((x, 64))) for x in (6, 121)]
    (left, right), (cut, _) = ends[0], ends[1]
    assert left[2] > 150 > left[0]
    assert right[1] > 150 > right[0]
    assert cut[0] > 150 > cut[2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"prompt": "a <lora:x:1> cat"}, []),
        ({"prompt": "a (red:1.5) cat", "negative_prompt": "(red:1.5)"}, []),
        ({"prompt": "a [cat:dog:0.5] BREAK (b:1.2) AND c"}, []),
        ({"prompt": "a cat (black), 16:9 [sic]"}, []),
        ({"refiner_checkpoint": "None", "eta": 0, "styles": [], "tiling": False}, []),
        ({"refiner_checkpoint": "other", "tiling": True}, []),
        ({"override_settings": {"samples_format": None, "sd_vae": ""}}, []),
        ({"scheduler": "beta", "sampler_name": "Euler"}, []),
        ({"scheduler": "beta", "sampler_name": "DDIM"}, ["scheduler"]),
    ],
)
def test_values_without_effect_are_listed(values: dict[str, Any], expected: list[str]) -> None:
    body = Txt2ImgBody(**values)
    body.output()
    assert body.not_applied() == expected


def test_init_image_fields_are_mapped(ask: httpx.Client) -> None:
    body = Img2ImgBody(init_images=["x"], include_init_images=True)
    assert body.not_applied() == []
    for pictures, words in (
        (["x"] * 65, "init_images: must have at most 64 items, not 65."),
        ([png_base64()] * 5, "batch_size times n_iter: must be at most 4 on this server, not 5."),
        ([], "init_images: must have at least 1 item, not 0."),
    ):
        refused = ask.post("/sdapi/v1/img2img", json={**SMALL, "init_images": pictures})
        assert refused.json()["detail"] == words


def test_request_with_too_many_fields_is_refused(ask: httpx.Client) -> None:
    many = {f"field {number}": 1 for number in range(2000)}
    refused = ask.post("/sdapi/v1/txt2img", json={**SMALL, **many})
    assert (refused.status_code, "has 2004 fields" in refused.text) == (422, True)


def test_long_prompts_are_used_as_a_whole(ask: httpx.Client) -> None:
    reply = ask.post("/sdapi/v1/txt2img", json={**SMALL, "prompt": "a big cat, " * 60})
    assert json.loads(reply.json()["info"])["not_applied"] == []


def test_limits_are_reported_with_a1111_names(ask: httpx.Client) -> None:
    refused = ask.post("/sdapi/v1/txt2img", json={**SMALL, "batch_size": 3, "n_iter": 2})
    assert refused.json()["detail"].startswith("batch_size times n_iter: must be at most 4")


def test_skip_drops_one_iteration_of_a_batch(ask: httpx.Client, pocket: Live) -> None:
    ask.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 1}).raise_for_status()
    skipped = threading.Event()
    denoiser = pocket.generators[0].engine.loaded.denoiser
    wait = denoiser.register_forward_pre_hook(lambda *_: skipped.wait(PATIENCE) and None)
    body = {**SMALL, "n_iter": 4, "seed": 1}
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(ask.post, "/sdapi/v1/txt2img", json=body)
        pocket.until(lambda: pocket.services.job_events.running is not None)
        with pocket.client() as other:
            other.post("/sdapi/v1/skip")
        skipped.set()
        info = json.loads(waiting.result().json()["info"])
    wait.remove()
    assert info["all_seeds"] == [2, 3, 4]


def test_request_after_a_skip_covers_the_remaining_images() -> None:
    body = Txt2ImgBody(prompt="x", batch_size=4, n_iter=3)
    request = GenerationRequest(prompt="x", seed=100, num_images_per_prompt=12)
    for finished, first, left in ((0, 104, 8), (2, 104, 8), (4, 108, 4), (5, 108, 4)):
        pictures = tuple(Picture(JobPicture("1", index), index, 0, "") for index in range(finished))
        remaining = behind_skipped(body, request, GenerationOutcome("1", Cancelled(), pictures))
        assert remaining is not None
        assert (remaining.seed, remaining.num_images_per_prompt) == (first, left)
    pictures = tuple(Picture(JobPicture("1", index), index, 0, "") for index in range(8))
    assert behind_skipped(body, request, GenerationOutcome("1", Cancelled(), pictures)) is None


def test_png_info_gives_the_size_as_a1111_does(ask: httpx.Client) -> None:
    image = ask.post("/sdapi/v1/txt2img", json=SMALL).json()["images"][0]
    found = ask.post("/sdapi/v1/png-info", json={"image": image}).json()["parameters"]
    assert (found["Size-1"], found["Size-2"]) == ("64", "64")


@pytest.mark.parametrize("key", ["parameters", "prompt", "Comment"])
def test_png_info_gives_the_settings_of_other_tools(ask: httpx.Client, key: str) -> None:
    sampler = {"seed": 7, "steps": 200, "sampler_name": "dpmpp_2m", "scheduler": "karras"}
    links = {"positive": ["2", 0], "negative": ["3", 0]}
    graph = {
        "1": {"class_type": "KSampler", "inputs": {**sampler, "cfg": 5.5, **links}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry"}},
    }
    plain = {**sampler, "scale": 5.5, "prompt": "a fox", "uc": "blurry"}
    info = PngInfo()
    info.add_text(key, json.dumps(graph if key == "prompt" else plain))
    buffer = io.BytesIO()
    Image.new("RGB", (64, 96)).save(buffer, "PNG", pnginfo=info)
    image = base64.b64encode(buffer.getvalue()).decode()
    found = ask.post("/sdapi/v1/png-info", json={"image": image}).json()
    assert found["info"].startswith("a fox\nNegative prompt: blurry\nSteps: 200, Sampler: DPM++ 2M")
    wanted = {
        **{"Prompt": "a fox", "Negative prompt": "blurry", "Seed": "7", "CFG scale": "5.5"},
        **{"Size-1": "64", "Size-2": "96", "Schedule type": "Karras"},
    }
    assert {name: found["parameters"].get(name) for name in wanted} == wanted
    assert list(found["items"]) == [key]


@pytest.mark.parametrize(
    ("script", "is_on"),
    [
        ({"args": [{"module": "canny", "image": "x"}]}, True),
        ({"args": [True, False, {"ad_model": "face_yolov8n.pt"}]}, True),
        ({"args": [{"enabled": False}, {"enabled": True}]}, True),
        ({"args": {"unit": 1}}, True),
        ({"args": []}, False),
        ({}, False),
        ({"args": [False, False, {"ad_model": "face_yolov8n.pt"}]}, False),
        ({"args": [{"enabled": False}, {"enabled": False}]}, False),
    ],
)
def test_always_on_script_that_would_change_the_picture_is_refused(
    script: Any, is_on: bool
) -> None:
    body = Txt2ImgBody(prompt="x", alwayson_scripts={"ADetailer": script})
    if not is_on:
        body.check()
        return
    with pytest.raises(ApiError, match="Always on script ADetailer not found") as refused:
        body.check()
    assert refused.value.status_code == 422


def test_infotext_fills_in_a_hires_fix_where_there_is_one() -> None:
    pairs = "Steps: 6, Sampler: Euler a, Seed: 7, Size: 64x64, Denoising strength: 0.4"
    text = f"x\n{pairs}, Hires upscale: 1.5, Hires sampler: DDIM, Hires checkpoint: a [0123456789]"
    values = Txt2ImgBody(infotext=text).values()
    names = ("hires_scale", "hires_strength", "hires_sampler", "hires_model")
    assert [values.get(name) for name in names] == [1.5, 0.4, "DDIM", "a"]
    assert Txt2ImgBody(infotext=text, denoising_strength=0.5).values()["hires_strength"] == 0.5
    assert "hires_scale" not in Img2ImgBody(init_images=["x"], infotext=text).values()


def _a1111_steps(strength: float, steps: int) -> int:
    return min(int(min(strength, 0.999) * steps) + 1, steps)


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "LCM", None])
def test_img2img_runs_as_many_steps_as_a1111(sampler: str | None) -> None:
    for steps in (1, 2, 7, 20, 29, 49, 100, 150):
        for strength in (0.01, 0.1, 0.29, 0.5, 0.57, 0.75, 0.999, 1.0):
            body = Img2ImgBody(
                init_images=["x"], denoising_strength=strength, steps=steps, sampler_name=sampler
            )
            found = body.values()["strength"]
            assert 0 <= found <= 1
            assert int(steps * found) == _a1111_steps(strength, steps), (steps, strength)
            assert body.strength() == strength


@pytest.mark.parametrize(("sampler", "fewer"), [("Euler a", 0), ("DDIM", 1)])
def test_img2img_runs_all_steps_with_the_option_of_a1111(sampler: str, fewer: int) -> None:
    fields: dict[str, Any] = {"init_images": ["x"], "sampler_name": sampler}
    fields["override_settings"] = {"img2img_fix_steps": True}
    for steps, strength, total in ((20, 0.7, 28), (15, 0.35, 42), (20, 1, 20), (50, 0.34, 147)):
        body = Img2ImgBody(**fields, denoising_strength=strength, steps=steps)
        values = body.values()
        assert values["num_inference_steps"] == total
        assert int(total * values["strength"]) == steps - fewer
        assert body.not_applied() == []
    for more in ({"denoising_strength": 0.1}, {"denoising_strength": 0}):
        body = Img2ImgBody(**fields, **more, steps=20)
        assert body.values()["num_inference_steps"] == 20
        assert body.not_applied() == ["override_settings.img2img_fix_steps"]


@pytest.mark.parametrize(
    ("values", "strength"),
    [
        ({"steps": 20}, 0.8),  # A1111's default is 0.75
        ({"denoising_strength": 0.5}, 0.5),
        ({"denoising_strength": 0, "steps": 20}, 0),
        ({"denoising_strength": 0.5, "steps": 20, "sampler_name": "DDIM"}, 0.5),
        ({"denoising_strength": 0.5, "steps": 20, "sampler_name": "UniPC"}, 0.5),
    ],
)
def test_strength_is_changed_only_where_a1111_runs_more_steps(
    values: dict[str, Any], strength: float
) -> None:
    assert Img2ImgBody(init_images=["x"], **values).values()["strength"] == strength


def test_answer_has_the_strength_that_the_client_gave(ask: httpx.Client) -> None:
    picture = base64.b64encode(_png()).decode()
    sent = {**SMALL, "steps": 4, "init_images": [picture], "denoising_strength": 0.5}
    answer = ask.post("/sdapi/v1/img2img", json={**sent, "sampler_name": "Euler"}).json()
    info = json.loads(answer["info"])
    assert info["denoising_strength"] == answer["parameters"]["denoising_strength"] == 0.5
    assert "Denoising strength: 0.5" in info["infotexts"][0]


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    return buffer.getvalue()
