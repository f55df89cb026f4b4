"""A1111's API with the package webuiapi, and the requests of SillyTavern and Open WebUI."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import webuiapi
from PIL import Image

from sdtui.jobs import JobState
from tests.support.images import open_base64, png_base64
from tests.support.live_server import PATIENCE, Live, live, post_and_hang_up
from tests.support.scripted_generator import ScriptedGenerator

SMALL: dict[str, Any] = {"steps": 2, "width": 64, "height": 64}


@pytest.fixture(scope="module")
def api(pocket: Live) -> Any:
    return webuiapi.WebUIApi(baseurl=f"{pocket.url}/sdapi/v1")


def test_webuiapi_client_makes_a_picture(api: Any) -> None:
    result = api.txt2img(prompt="a red apple", seed=9, cfg_scale=4, batch_size=2, n_iter=1, **SMALL)
    assert [image.size for image in result.images] == [(64, 64)] * 2
    info = result.info
    assert info["all_seeds"] == [9, 10]
    assert (info["seed"], info["steps"], info["cfg_scale"]) == (9, 2, 4)
    assert (info["width"], info["height"]) == (64, 64)
    assert info["sampler_name"] == "Euler a"
    assert info["sd_model_name"] == "pocket"
    assert len(info["sd_model_hash"]) == 10
    assert "Seed: 10" in info["infotexts"][1]
    assert result.image.info["parameters"] == info["infotexts"][0]
    assert result.parameters["prompt"] == "a red apple"


def test_webuiapi_client_starts_from_a_picture(api: Any) -> None:
    result = api.img2img(
        images=[Image.new("RGB", (96, 64), "red")],
        prompt="a red apple",
        seed=3,
        denoising_strength=0.5,
        **SMALL,
    )
    assert result.image.size == (64, 64)
    assert result.info["denoising_strength"] == 0.5
    assert "Denoising strength: 0.5" in result.info["infotexts"][0]


def test_webuiapi_client_lists_samplers_and_options(api: Any) -> None:
    models = api.get_sd_models()
    assert models[0]["title"] == "pocket"
    options = api.get_options()
    assert options["sd_model_checkpoint"] == "pocket"
    api.set_options(options)
    api.util_set_model("pocket")
    assert api.util_get_current_model() == "pocket"
    assert "Euler a" in api.util_get_sampler_names()
    assert {"automatic", "karras"} <= set(api.util_get_scheduler_names())
    api.util_wait_for_ready()
    progress = api.get_progress()
    assert (progress["progress"], progress["state"]["job_count"]) == (0, 0)
    assert progress["current_image"] is None
    assert api.interrupt() == api.skip() == {}
    assert api.get_memory()["ram"]["total"] > 0
    names = ["prompts from file or textbox", "prompt matrix", "x/y/z plot"]
    of_img2img = [*names, "sd upscale", "ultimate sd upscale", "controlnet", "soft inpainting"]
    assert api.get_scripts() == {"txt2img": [*names, "controlnet"], "img2img": of_img2img}
    assert api.get_embeddings()["loaded"] == {}
    assert api.get_upscalers()[0]["name"] == "None"
    assert api.get_latent_upscale_modes()[0]["name"] == "Latent"
    assert api.refresh_checkpoints() is None
    assert api.get_cmd_flags() == {}
    for listed in (
        api.get_sd_vae,
        api.get_loras,
        api.get_hypernetworks,
        api.get_face_restorers,
        api.get_realesrgan_models,
        api.get_prompt_styles,
    ):
        assert listed() == []


def test_empty_prompt_of_webuiapi_is_accepted(api: Any) -> None:
    drawn = api.txt2img(seed=3, **SMALL)
    assert drawn.info["prompt"] == ""
    assert api.png_info(drawn.image).parameters["Seed"] == "3"
    redrawn = api.img2img(images=[drawn.image], seed=3, **SMALL)
    assert redrawn.image.size == drawn.image.size


def test_webuiapi_client_reads_png_info(api: Any) -> None:
    result = api.txt2img(prompt="a red apple", seed=9, **SMALL)
    found = api.png_info(result.image)
    assert found.info == result.info["infotexts"][0]
    assert found.parameters["Seed"] == "9"
    assert found.parameters["Prompt"] == "a red apple"
    assert api.png_info(Image.new("RGB", (8, 8))).info == ""


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("txt2img", {"prompt": "x", "sampler_name": "No such"}, 400, "No such"),
        ("txt2img", {"prompt": "x", "steps": 0}, 422, "steps"),
        ("txt2img", {"prompt": "x", "enable_hr": True, "hr_upscaler": "4x-No"}, 404, "upscaler"),
        ("txt2img", {"prompt": "x", "enable_hr": True, "hr_scale": 0.5}, 422, "hr_scale"),
        ("txt2img", {"prompt": "x", "enable_hr": True, "hr_sampler_name": "No"}, 400, "No"),
        ("txt2img", {"prompt": "x", "script_name": "outpainting"}, 422, "Script"),
        ("txt2img", {"prompt": "x", "script_name": "x/y/z plot"}, 422, "18 arguments"),
        ("txt2img", {"prompt": "x", "batch_size": 3, "n_iter": 2}, 422, "at most 4"),
        ("img2img", {"prompt": "x", "init_images": ["http://a/b.png"]}, 400, "base64"),
        ("img2img", {"prompt": "x", "init_images": ["AAAA"]}, 400, "not a picture"),
        ("img2img", {"prompt": "x", "init_images": [png_base64()], "mask": "x"}, 400, "base64"),
        ("img2img", {"init_images": [png_base64()], "mask": "/etc/passwd"}, 400, "base64"),
        ("img2img", {"init_images": [png_base64(), "x"]}, 400, "base64"),
        ("options", {"sd_model_checkpoint": "none"}, 404, "no model"),
        ("png-info", {"image": "not base64"}, 400, "base64"),
        ("txt2img", {"prompt": "x", "infotext": "no settings"}, 400, "A1111's text"),
        ("txt2img", {"prompt": "x", "override_settings": {"samples_format": "bmp"}}, 422, "webp"),
        ("extra-single-image", {"image": "x"}, 400, "base64"),
        ("interrogate", {"image": "x"}, 404, "describes"),
    ],
)
def test_wrong_a1111_requests_are_refused_with_the_reason(
    ask: httpx.Client, path: str, body: dict[str, Any], status: int, words: str
) -> None:
    answer = ask.post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_unknown_fields_are_ignored_and_old_names_accepted(ask: httpx.Client) -> None:
    body = {
        "prompt": "x <lora:some one:0.8>",
        **SMALL,
        "width": 70,
        "sampler_index": "DDIM",
        "tiling": True,
        "s_tmax": 0,
        "eta": 0.5,
        "refiner_checkpoint": None,
    }
    answer = ask.post("/sdapi/v1/txt2img", json={**body, "send_images": False, "styles": ["a"]})
    assert answer.status_code == 200, answer.text
    info = json.loads(answer.json()["info"])
    assert answer.json()["images"] == []
    assert (info["width"], info["sampler_name"]) == (64, "DDIM")
    assert info["not_applied"] == ["eta", "<lora:some one:0.8>", "styles: a"]
    assert info["comments"][0].startswith("Networks not found: some one. ")


def test_null_counts_as_missing(ask: httpx.Client) -> None:
    names = ("negative_prompt", "seed", "batch_size", "n_iter", "send_images", "sampler_name")
    answer = ask.post(
        "/sdapi/v1/txt2img", json={"prompt": "x", **SMALL, **dict.fromkeys(names), "styles": None}
    )
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["images"]) == 1
    assert json.loads(answer.json()["info"])["not_applied"] == []


def test_fields_without_effect_are_listed_in_the_answer(ask: httpx.Client) -> None:
    body = {
        "prompt": "x",
        **SMALL,
        "sampler_name": "DDIM",
        "scheduler": "karras",
        "restore_faces": True,
        "tiling": False,
        "alwayson_scripts": {"ADetailer": {"args": []}},
    }
    answer = ask.post("/sdapi/v1/txt2img", json=body)
    received = json.loads(answer.json()["info"])["not_applied"]
    assert received == ["restore_faces", "alwayson_scripts", "scheduler"]


def test_infotext_fills_missing_fields(ask: httpx.Client) -> None:
    settings = "Steps: 40, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 2, Seed: 5"
    settings += ", Size: 72x64, Clip skip: 2, ENSD: 31337, Model: x"
    text = f"a cat\nNegative prompt: dog\n{settings}"
    answer = ask.post("/sdapi/v1/txt2img", json={"infotext": text, "steps": 2, "width": 64})
    info = json.loads(answer.json()["info"])
    assert (info["prompt"], info["negative_prompt"]) == ("a cat", "dog")
    assert (info["steps"], info["seed"], info["cfg_scale"]) == (2, 5, 2)
    assert (info["width"], info["height"]) == (64, 64)
    assert "Schedule type: Karras" in info["infotexts"][0]
    received = " | ".join(info["not_applied"])
    assert info["clip_skip"] == 2
    assert "infotext: ENSD 31337" in received
    assert "infotext: Model x" in received


def test_strength_of_an_infotext_counts_only_with_a_picture(ask: httpx.Client) -> None:
    text = "x\nSteps: 2, Sampler: DDIM, Seed: 5, Size: 64x64, Denoising strength: 0.5"
    received = "infotext: Denoising strength 0.5"

    def info_of(path: str, **body: Any) -> dict[str, Any]:
        answer = ask.post(f"/sdapi/v1/{path}", json={"infotext": text, **body})
        info: dict[str, Any] = json.loads(answer.json()["info"])
        return info

    picture = {"init_images": [png_base64()]}
    info = info_of("img2img", **picture)
    assert info["denoising_strength"] == 0.5
    assert received not in str(info["not_applied"])
    assert info_of("img2img", **picture, denoising_strength=1)["denoising_strength"] == 1
    assert received in str(info_of("txt2img")["not_applied"])
    beyond = {"infotext": text.replace("0.5", "7"), **picture}
    assert "Denoising strength must" in str(info_of("img2img", **beyond)["not_applied"])


def test_options_of_a_request_override_the_servers(ask: httpx.Client) -> None:
    options = {"samples_format": "webp", "sd_vae": "None", "CLIP_stop_at_last_layers": 1}
    body = {"prompt": "x", **SMALL, "override_settings": options}
    answer = ask.post("/sdapi/v1/txt2img", json=body).json()
    assert open_base64(answer["images"][0]).format == "WEBP"
    assert json.loads(answer["info"])["not_applied"] == []
    missing = ask.post("/sdapi/v1/txt2img", json={**body, "override_settings": {"sd_vae": "other"}})
    assert missing.status_code == 404
    assert "there is no VAE" in missing.text


def test_calls_of_open_webui_are_answered(ask: httpx.Client) -> None:
    options = ask.get("/sdapi/v1/options").json()
    options["sd_model_checkpoint"] = ask.get("/sdapi/v1/sd-models").json()[0]["title"]
    assert ask.post("/sdapi/v1/options", json=options).status_code == 200
    wanted = {"prompt": "a cat", "batch_size": 1, **SMALL, "negative_prompt": "blurry"}
    answer = ask.post("/sdapi/v1/txt2img", json=wanted).json()
    assert open_base64(answer["images"][0]).size == (64, 64)


def test_calls_of_sillytavern_are_answered(ask: httpx.Client) -> None:
    for name in ("upscalers", "latent-upscale-modes", "sd-vae", "sd-modules", "schedulers"):
        assert isinstance(ask.get(f"/sdapi/v1/{name}").json(), list)
    ask.post("/sdapi/v1/options", json={"sd_model_checkpoint": "pocket"})
    wanted = {
        **SMALL,
        "prompt": "a cat",
        "negative_prompt": "",
        "sampler_name": "DPM++ 2M",
        "scheduler": "karras",
        "cfg_scale": 3,
        "seed": -1,
        "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic"},
        "override_settings_restore_afterwards": True,
        "clip_skip": 1,
        "save_images": True,
        "send_images": True,
        "do_not_save_grid": False,
        "do_not_save_samples": False,
        "enable_hr": False,
        "hr_upscaler": "Latent",
        "restore_faces": False,
    }
    answer = ask.post("/sdapi/v1/txt2img", json=wanted)
    assert "Schedule type: Karras" in json.loads(answer.json()["info"])["infotexts"][0]


def test_progress_is_that_of_all_init_images(
    scripted: Live, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold_in_the_second() -> None:
        if len(generator.requests) == 2:
            generator.hold.set()

    monkeypatch.setattr(generator, "step", hold_in_the_second)
    with scripted.client() as ask, ThreadPoolExecutor() as pool:
        body = {"init_images": [png_base64()] * 2, "seed": 1}
        answer = pool.submit(ask.post, "/sdapi/v1/img2img", json=body)
        scripted.until(generator.hold.is_set)
        progress = ask.get("/sdapi/v1/progress").json()
        assert (progress["state"]["job_no"], progress["state"]["job_count"]) == (1, 2)
        assert 0.5 <= progress["progress"] < 1
        assert ask.post("/sdapi/v1/interrupt").json() == {}
        # What is finished is sent, and the pictures after it aren't begun.
        assert len(answer.result(PATIENCE).json()["images"]) == 1
    assert scripted.services.a1111.places == {}


def test_progress_interrupt_and_skip_act_on_the_running_job(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    answers: dict[str, Any] = {}

    def make(name: str, count: int) -> threading.Thread:
        def call() -> None:
            with scripted.client() as client:
                body = {"prompt": name, "n_iter": count, "seed": 1}
                answers[name] = client.post("/sdapi/v1/txt2img", json=body).json()

        thread = threading.Thread(target=call)
        thread.start()
        return thread

    with scripted.client() as ask:
        generator.step_seconds = 0.05
        thread = make("interrupted", 1)
        scripted.until(
            lambda: (
                scripted.services.job_events.preview(scripted.services.job_events.running)
                is not None
            )
        )
        generator.hold.set()
        progress = ask.get("/sdapi/v1/progress").json()
        assert 0 < progress["progress"] < 1
        assert progress["state"]["job_count"] == 1
        assert progress["state"]["job_timestamp"][:2] == "20"
        assert progress["state"]["sampling_steps"] == 4
        assert open_base64(progress["current_image"]).size == (512, 512)
        assert ask.post("/sdapi/v1/interrupt").json() == {}
        thread.join(PATIENCE)
        assert answers["interrupted"]["images"] == []
        info = json.loads(answers["interrupted"]["info"])
        assert (info["prompt"], info["seed"], info["all_seeds"]) == ("interrupted", 1, [])
        assert {"width", "steps", "sampler_name", "cfg_scale", "sd_model_name"} <= set(info)
        thread = make("skipped", 3)
        scripted.until(lambda: scripted.services.job_events.running is not None)
        ask.post("/sdapi/v1/skip")
        generator.hold.clear()
        thread.join(PATIENCE)
        # The script makes its pictures at its end, so only the first one is missing.
        assert json.loads(answers["skipped"]["info"])["all_seeds"] == [2, 3]
        # Another client's job is not interrupted.
        generator.hold.set()
        other = ask.post("/jobs", json={"prompt": "other"}).json()
        scripted.until(lambda: scripted.services.job_events.running == other["id"])
        ask.post("/sdapi/v1/interrupt")
        generator.hold.clear()
        scripted.until(lambda: ask.get(other["url"]).json()["state"] == "done")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let interrupts wait as long as a busy machine needs to notice a disconnect."""
    monkeypatch.setattr("sdtui.server.api.a1111.progress._DELAY_SECONDS", 2.0)


def _txt2img(running: Live, prompt: str) -> Any:
    with running.client() as client:
        return client.post("/sdapi/v1/txt2img", json={"prompt": prompt}).json()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("hangs_up_first", [True, False])
def test_client_that_hangs_up_cancels_only_its_own_job(
    scripted: Live, generator: ScriptedGenerator, hangs_up_first: bool
) -> None:
    """A front end closes the cancelled request and sends an interrupt; some send two."""
    generator.hold.set()
    with ThreadPoolExecutor(1) as thread, scripted.client() as ask:
        running = thread.submit(_txt2img, scripted, "runs")
        scripted.until(lambda: scripted.services.job_events.running is not None)
        with ThreadPoolExecutor(2) as interrupting:
            begun: list[Future[httpx.Response]] = []

            def interrupt() -> None:
                begun.append(interrupting.submit(ask.post, "/sdapi/v1/interrupt"))

            post_and_hang_up(
                scripted,
                "/sdapi/v1/txt2img",
                "waits",
                JobState.QUEUED,
                meanwhile=(lambda: None) if hangs_up_first else interrupt,
            )
            scripted.until(lambda: len(scripted.services.a1111.clients) == 1)
            interrupt()
            for each in begun:
                each.result(PATIENCE)
        generator.hold.clear()
        assert len(running.result(PATIENCE)["images"]) == 1


def _two(threads: ThreadPoolExecutor, running: Live) -> list[Future[Any]]:
    """Send two requests from one address; the first is running."""
    first = threads.submit(_txt2img, running, "first")
    running.until(lambda: running.services.job_events.running is not None)
    second = threads.submit(_txt2img, running, "second")
    running.until(lambda: len(running.services.a1111.clients) == 2)
    return [first, second]


def test_interrupt_stops_the_running_one_of_two_jobs(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    with ThreadPoolExecutor(2) as threads, scripted.client() as ask:
        first, second = _two(threads, scripted)
        ask.post("/sdapi/v1/interrupt")
        assert first.result(PATIENCE)["images"] == []
        generator.hold.clear()
        assert len(second.result(PATIENCE)["images"]) == 1


@pytest.mark.usefixtures("patient")
def test_interrupt_does_not_stop_the_next_job(tmp_path: Path) -> None:
    go_on = {"first": threading.Event(), "second": threading.Event()}

    class _OneByOne(ScriptedGenerator):
        def step(self) -> None:
            go_on[self.requests[-1].prompt].wait(PATIENCE)

    with (
        live(tmp_path, lambda _: _OneByOne()) as running,
        ThreadPoolExecutor(3) as threads,
        running.client() as ask,
    ):
        first, second = _two(threads, running)
        begun = running.services.job_events.running
        interrupting = threads.submit(ask.post, "/sdapi/v1/interrupt")
        time.sleep(0.3)
        go_on["first"].set()
        assert len(first.result(PATIENCE)["images"]) == 1
        running.until(lambda: running.services.job_events.running not in (None, begun))
        interrupting.result(PATIENCE)
        go_on["second"].set()
        assert len(second.result(PATIENCE)["images"]) == 1
