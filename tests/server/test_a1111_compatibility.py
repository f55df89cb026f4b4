"""What A1111's clients send and sdtui doesn't have: used as far as possible, never dropped without
a word, and not reported if it changes nothing."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sdtui.server.api.a1111.img2img_body import Img2ImgBody
from sdtui.server.api.a1111.options import changed_options
from sdtui.server.api.a1111.schemas import Txt2ImgBody
from sdtui.server.errors import ApiError
from sdtui.server.outcome_headers import NOT_APPLIED
from tests.support.live_server import Live

SMALL: dict[str, Any] = {"prompt": "x", "steps": 2, "width": 64, "height": 64}


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({"clip_skip": 2}, ["clip_skip"]),
        ({"refiner_switch_at": 0.8}, ["refiner_switch_at"]),
        ({"hr_scale": 1.5, "hr_prompt": "y"}, ["hr_scale", "hr_prompt"]),
        ({"hr_upscaler": "4x-UltraSharp"}, ["hr_upscaler"]),
        ({"hr_upscaler": "4x-UltraSharp", "hr_scale": 1.25, "enable_hr": False}, []),
        ({"clip_skip": -1}, []),
        ({"s_churn": 5, "s_noise": 1.1}, ["s_churn", "s_noise"]),
        ({"distilled_cfg_scale": 2}, ["distilled_cfg_scale"]),
        ({"mask": "AAAA", "init_images": ["AAAA"]}, ["mask", "init_images"]),
        ({"a field that nobody knows": {"x": 1}}, ["a field that nobody knows"]),
        ({"lora": [], "face": None, "vae": "", "tag": "None", "x": False, "y": 0}, []),
        ({"eta": 0.5, "sampler_name": "Euler a"}, ["eta"]),
        ({"eta": 0, "sampler_name": "Euler a"}, []),
        ({"eta": 1, "sampler_name": "Euler a"}, []),
        ({"eta": 0.5, "sampler_name": "Euler"}, []),
        ({"eta": 1, "sampler_name": "DDIM"}, ["eta"]),
        ({"clip_skip": 2, "override_settings": {"CLIP_stop_at_last_layers": 2}}, []),
        ({"clip_skip": 3, "override_settings": {"CLIP_stop_at_last_layers": 2}}, ["clip_skip"]),
    ],
)
def test_unknown_fields_that_would_change_the_picture_are_listed(
    fields: dict[str, Any], listed: list[str]
) -> None:
    body = Txt2ImgBody(prompt="x", **fields)
    body.check()
    assert body.not_applied() == listed


def test_cfg_scale_of_a_distilled_model_is_its_true_cfg() -> None:
    body = Txt2ImgBody(prompt="x", cfg_scale=2, distilled_cfg_scale=3)
    assert body.values()["guidance_scale"] == 2
    body.use_true_cfg()
    assert body.values().items() >= {"guidance_scale": 3, "true_cfg_scale": 2}.items()
    assert not body.not_applied()


A1111_DEFAULTS: dict[str, Any] = {
    "prompt": "x",
    "styles": [],
    "seed": -1,
    "subseed": -1,
    "subseed_strength": 0,
    "seed_resize_from_h": -1,
    "seed_resize_from_w": -1,
    "sampler_name": "Euler a",
    "batch_size": 1,
    "n_iter": 1,
    "restore_faces": False,
    "tiling": False,
    "do_not_save_samples": True,
    "do_not_save_grid": True,
    "eta": 1.0,
    "s_min_uncond": 0,
    "s_churn": 0,
    "s_tmax": 0,
    "s_tmin": 0,
    "s_noise": 1,
    "override_settings": {},
    "refiner_checkpoint": "None",
    "disable_extra_networks": False,
    "comments": {},
    "enable_hr": False,
    "firstphase_width": 0,
    "firstphase_height": 0,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "hr_second_pass_steps": 0,
    "hr_resize_x": 0,
    "hr_resize_y": 0,
    "hr_prompt": "",
    "hr_negative_prompt": "",
    "force_task_id": "task(1)",
    "script_name": None,
    "script_args": [],
    "send_images": True,
    "save_images": True,
    "alwayson_scripts": {},
}
MASK_DEFAULTS = {
    "mask": None,
    "mask_blur": 4,
    "mask_round": True,
    "inpainting_fill": 0,
    "inpaint_full_res": True,
    "inpaint_full_res_padding": 0,
    "inpainting_mask_invert": 0,
    "initial_noise_multiplier": 1,
    "image_cfg_scale": 1.5,
}


def test_defaults_of_a1111_are_not_listed() -> None:
    assert Txt2ImgBody(**A1111_DEFAULTS).not_applied() == []
    assert Img2ImgBody(**A1111_DEFAULTS, **MASK_DEFAULTS, init_images=["x"]).not_applied() == []


@pytest.mark.parametrize(
    ("name", "scheduler", "label"),
    [
        ("DPM fast", "Automatic", "DPM++ 2M Karras"),
        ("DPM fast Karras", None, "DPM++ 2M Karras"),
        ("DPM fast", "Uniform", "DPM++ 2M"),
        ("DPM adaptive", None, "DPM++ 2M Karras"),
        ("DDIM CFG++", None, "DDIM"),
        ("ER SDE", "Karras", "DPM++ 2M SDE Karras"),
        ("ER SDE", "Beta", "DPM++ 2M SDE Beta"),
        ("euler_cfg_pp", None, "Euler"),
    ],
)
def test_sampler_that_is_missing_is_replaced_and_named(
    name: str, scheduler: str | None, label: str
) -> None:
    body = Txt2ImgBody(prompt="x", sampler_name=name, scheduler=scheduler)
    assert body.values()["sampler"] == label
    assert body.not_applied() == [f"sampler_name: {name} ({label} instead)"]


@pytest.mark.parametrize(
    ("name", "scheduler", "label"),
    [
        ("DPM++ 2M SDE Heun", None, "DPM++ 2M SDE Heun Exponential"),
        ("DPM++ 2M SDE Heun Karras", None, "DPM++ 2M SDE Heun Karras"),
        ("DPM++ 3M SDE", None, "DPM++ 3M SDE Exponential"),
        ("DPM++ 3M SDE", "Karras", "DPM++ 3M SDE Karras"),
        ("dpmpp_3m_sde_gpu", "Uniform", "DPM++ 3M SDE"),
        ("LMS", "Automatic", "LMS"),
        ("LMS Karras", None, "LMS Karras"),
        ("DPM++ 2S a", None, "DPM++ 2S a Karras"),
        ("k_dpmpp_2s_a_ka", None, "DPM++ 2S a Karras"),
        ("Restart", None, "Restart Karras"),
        ("DPM++ 2M", "align_your_steps", "DPM++ 2M Align Your Steps"),
        ("DPM++ 2M", "SGM Uniform", "DPM++ 2M SGM Uniform"),
        ("Euler a", "kl_optimal", "Euler a KL Optimal"),
        ("DPM++ 2M SDE", "Normal", "DPM++ 2M SDE"),
        ("Euler", "ddim", "Euler DDIM"),
    ],
)
def test_samplers_and_schedules_of_a1111_are_offered(
    name: str, scheduler: str | None, label: str
) -> None:
    body = Txt2ImgBody(prompt="x", sampler_name=name, scheduler=scheduler)
    assert (body.values()["sampler"], body.not_applied()) == (label, [])


@pytest.mark.parametrize("name", ["", "default", "Default"])
def test_sampler_may_be_left_to_the_model(name: str) -> None:
    body = Txt2ImgBody(prompt="x", sampler_name=name)
    assert ("sampler" in body.values(), body.not_applied()) == (False, [])


def test_sampler_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(ApiError, match='Did you mean "Euler a"'):
        Txt2ImgBody(prompt="x", sampler_name="Euler aa").values()


def test_other_apis_refuse_a_missing_sampler(scripted: Live) -> None:
    with scripted.client() as ask:
        for path, body in (
            ("/generate", {"prompt": "x", "sampler": "ER SDE"}),
            ("/jobs", {"prompt": "x", "sampler": "DPM fast"}),
            ("/v1/images/generations", {"prompt": "x", "sampler": "dpm_adaptive"}),
        ):
            refused = ask.post(path, json=body)
            assert refused.status_code in (400, 422), path
            assert "there is no sampler" in refused.text


def test_what_is_not_applied_is_in_a_header_too(scripted: Live) -> None:
    with scripted.client() as ask:
        body = {"prompt": "x", "clip_skip": 2, "sampler_name": "DPM fast", "naïve\n": 1}
        answer = ask.post("/sdapi/v1/txt2img", json=body)
        listed = answer.headers[NOT_APPLIED]
        assert listed.startswith("clip_skip; na?ve")
        assert listed.endswith("sampler_name: DPM fast (DPM++ 2M Karras instead)")
        assert json.loads(answer.json()["info"])["not_applied"][0] == "clip_skip"
        assert "clip_skip" not in answer.json()["parameters"]
        assert NOT_APPLIED not in ask.post("/sdapi/v1/txt2img", json={"prompt": "x"}).headers


@pytest.mark.parametrize("name", [" ", "x ", "\x7f", "ü\r\nX: 1", "\U000f07b4", "a" * 5000])
def test_any_field_name_fits_into_the_header(name: str, scripted: Live) -> None:
    with scripted.client() as ask:
        answer = ask.post("/sdapi/v1/txt2img", json={"prompt": "x", name: 1})
        assert answer.status_code == 200
        assert len(answer.headers.get(NOT_APPLIED, "")) <= 60
        assert "x" not in answer.headers


def test_options_without_effect_are_in_a_header(scripted: Live) -> None:
    with scripted.client() as ask:
        options = ask.get("/sdapi/v1/options").json()
        assert NOT_APPLIED not in ask.post("/sdapi/v1/options", json=options).headers
        changed = {**options, "samples_format": "gif", "eta_noise_seed_delta": 31337, "x": 0}
        answer = ask.post("/sdapi/v1/options", json=changed)
        assert answer.headers[NOT_APPLIED] == "samples_format; eta_noise_seed_delta"
    assert len(changed_options({str(number): 1 for number in range(200)})) <= 50


def test_what_is_missing_is_found_missing(ask: httpx.Client) -> None:
    paths = ask.get("/openapi.json").json()["paths"]
    for path in ("interrogate", "training", "none"):
        assert f"/sdapi/v1/{path}" not in paths
        for method in ("GET", "POST", "OPTIONS", "PUT", "HEAD"):
            assert ask.request(method, f"/sdapi/v1/{path}").status_code == 404, (method, path)
    for path in ("/sdapi/v1/none", "/agent-scheduler/v1/queue", "/tagger/v1/x", "/x/y"):
        answer = ask.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("upscalers", {"name", "model_name", "model_path", "model_url", "scale"}),
        ("samplers", {"name", "aliases", "options"}),
        ("schedulers", {"name", "label", "aliases", "default_rho", "need_inner_model"}),
        ("sd-models", {"title", "model_name", "hash", "sha256", "filename", "config"}),
    ],
)
def test_items_of_lists_have_all_fields_of_a1111(
    path: str, fields: set[str], ask: httpx.Client
) -> None:
    for each in ask.get(f"/sdapi/v1/{path}").json():
        assert fields <= each.keys()
