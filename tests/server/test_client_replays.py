"""The requests of programs that have A1111's or OpenAI's API as their backend, as their sources had
them in November 2026, and the parts of the answers that they read."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sdtui.server.outcome_headers import NOT_APPLIED
from tests.support.images import png_base64
from tests.support.live_server import KEY, Live, live
from tests.support.scripted_generator import ScriptedGenerator

PNG = png_base64()
DATA_URL = f"data:image/png;base64,{PNG}"
FILE = ("a.png", base64.b64decode(PNG), "image/png")
BASIC = {"Authorization": "Basic " + base64.b64encode(f"me:{KEY}".encode()).decode()}
BEARER = {"Authorization": f"Bearer {KEY}"}
AZURE = {"api-key": KEY}


@dataclass(frozen=True)
class Call:
    """A request of a client."""

    method: str
    path: str
    body: Any = None
    """JSON, or text that is sent without a Content-Type."""
    form: dict[str, str] | None = None
    files: tuple[str, ...] = ()
    """The names of the form's pictures."""
    reads: tuple[str, ...] = ()
    """Where the client finds what it needs: `images.0`; `info:seed` is in JSON that is a text."""
    not_applied: str = ""
    """What the header says."""
    status: int = 200
    says: str = ""
    """What a refusal says."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Client:
    """A client and its requests, in their order."""

    name: str
    headers: dict[str, str]
    calls: tuple[Call, ...] = field(default=())


def get(path: str, *reads: str) -> Call:
    return Call("GET", path, reads=reads)


def post(path: str, body: Any, *reads: str, **options: Any) -> Call:
    return Call("POST", path, body, reads=reads, **options)


SD = "/sdapi/v1"
SILLY_TAVERN = {
    "url": "http://localhost:7860",
    "auth": f"me:{KEY}",
    "prompt": "a cat",
    "negative_prompt": "lowres",
    "sampler_name": "DDIM",
    "scheduler": "normal",
    "steps": 20,
    "cfg_scale": 7,
    "width": 512,
    "height": 512,
    "restore_faces": False,
    "enable_hr": False,
    "hr_upscaler": "Latent",
    "hr_scale": 1,
    "hr_additional_modules": [],
    "denoising_strength": 0.7,
    "hr_second_pass_steps": 0,
    "override_settings": {"CLIP_stop_at_last_layers": 1},
    "override_settings_restore_afterwards": True,
    "clip_skip": 1,
    "save_images": True,
    "send_images": True,
    "do_not_save_grid": False,
    "do_not_save_samples": False,
}
DETAILER = {"ADetailer": {"args": [True, True, {"ad_model": "face_yolov8n.pt"}]}}
AI_RENDER = {
    "prompt": "a house",
    "negative_prompt": "",
    "image_similarity": 0.4,
    "denoising_strength": 0.6,
    "cfg_scale": 7.5,
    "steps": 50,
    "seed": 4,
    "sampler": "LMS",
    "sampler_index": "LMS",
    "width": 512,
    "height": 512,
    "init_images": [DATA_URL],
}
AIYA = {
    "prompt": "a cat",
    "negative_prompt": "",
    "steps": 30,
    "width": 512,
    "height": 512,
    "cfg_scale": "7.0",
    "sampler_index": "Euler a",
    "seed": 4,
    "seed_resize_from_h": 0,
    "seed_resize_from_w": 0,
    "denoising_strength": None,
    "n_iter": 2,
    "styles": ["None"],
    "override_settings": {"CLIP_stop_at_last_layers": 1},
}
KOBOLD = {
    "prompt": "a cat",
    "seed": -1,
    "subseed_strength": 0,
    "sampler_name": "Euler a",
    "batch_size": 1,
    "n_iter": 1,
    "steps": 20,
    "cfg_scale": 7,
    "width": 512,
    "height": 512,
    "negative_prompt": "ugly",
    "do_not_save_samples": True,
    "do_not_save_grid": True,
    "enable_hr": False,
    "eta": 0,
    "s_churn": 0,
    "s_tmax": 0,
    "s_tmin": 0,
    "s_noise": 1,
    "override_settings": {
        "sd_model_checkpoint": "pocket",
        "eta_noise_seed_delta": 0.0,
        "CLIP_stop_at_last_layers": 1.0,
        "ddim_discretize": "uniform",
        "img2img_fix_steps": False,
        "sd_hypernetwork": "None",
        "inpainting_mask_weight": 1.0,
        "initial_noise_multiplier": 1.0,
        "comma_padding_backtrack": 20.0,
    },
}
TEXT_GENERATION = {
    "prompt": "(Masterpiece:1.1), detailed, intricate, colorful(a cat:1)",
    "seed": -1,
    "sampler_name": "DPM++ 2M",
    "enable_hr": False,
    "hr_scale": "1.0",
    "hr_upscaler": "ESRGAN_4x",
    "denoising_strength": 0.61,
    "steps": 32,
    "cfg_scale": 7,
    "width": 512,
    "height": 512,
    "restore_faces": False,
    "override_settings_restore_afterwards": True,
    "negative_prompt": "(worst quality, low quality:1.3)",
}
RISU = {
    "width": 512,
    "height": 512,
    "seed": -1,
    "steps": 30,
    "cfg_scale": 7,
    "prompt": "a cat",
    "negative_prompt": "ugly",
    "sampler_name": "Euler a",
    "enable_hr": True,
    "denoising_strength": 0.7,
    "hr_scale": 1.25,
    "hr_upscaler": "Latent",
}
MADE_BY_A1111 = ("images.0", "parameters", "info:seed", "info:infotexts.0", "info:width")
IMAGE_GEN = {
    "model": "gpt-image-1",
    "prompt": "a cat",
    "n": 1,
    "background": "auto",
    "output_format": "png",
    "quality": "auto",
    "size": "auto",
}
EDIT_FORM = {"model": "gpt-image-1", "prompt": "a dog", "quality": "auto", "size": "auto"}

CLIENTS = (
    Client(
        "SillyTavern",
        BASIC,
        (
            get(f"{SD}/options", "sd_model_checkpoint"),
            get(f"{SD}/sd-models", "0.title"),
            get(f"{SD}/samplers", "0.name"),
            get(f"{SD}/schedulers", "0.name"),
            get(f"{SD}/upscalers", "0.name"),
            get(f"{SD}/latent-upscale-modes", "0.name"),
            get(f"{SD}/sd-vae"),
            post(f"{SD}/options", {"sd_model_checkpoint": "pocket"}),
            get(f"{SD}/progress", "progress", "state.job_count"),
            post(f"{SD}/txt2img", SILLY_TAVERN, *MADE_BY_A1111),
            post(f"{SD}/txt2img", {**SILLY_TAVERN, "enable_hr": True, "hr_scale": 1.5}, "images.0"),
            post(
                f"{SD}/txt2img",
                {**SILLY_TAVERN, "alwayson_scripts": DETAILER},
                status=422,
                says="Always on script ADetailer not found.",
            ),
            post(f"{SD}/interrupt", None),
        ),
    ),
    Client(
        "Open WebUI, A1111",
        BASIC,
        (
            get(f"{SD}/options", "sd_model_checkpoint"),
            get(f"{SD}/sd-models", "0.title", "0.model_name"),
            post(
                f"{SD}/txt2img",
                {"prompt": "a cat", "batch_size": 2, "width": 512, "height": 512, "steps": 50},
                "images.1",
                "info",
            ),
        ),
    ),
    Client(
        "Open WebUI, OpenAI",
        BEARER,
        (
            post(
                "/v1/images/generations",
                {**IMAGE_GEN, "size": "512x512", "response_format": "b64_json"},
                "data.0.b64_json",
            ),
            post(
                "/v1/images/generations?api-version=2025-04-01-preview",
                {"model": "dall-e-3", "prompt": "a cat", "n": 1, "size": "1024x1024"},
                "data.0.url",
            ),
            Call(
                "POST",
                "/v1/images/edits",
                form={"model": "gpt-image-1", "prompt": "x", "n": "1", "size": "512x512"},
                files=("image[]", "image[]"),
                reads=("data.1.b64_json",),
            ),
        ),
    ),
    Client(
        "LibreChat, Stable Diffusion",
        BASIC,
        (
            post(
                f"{SD}/txt2img",
                {
                    "prompt": "a cat",
                    "negative_prompt": "ugly",
                    "cfg_scale": 4.5,
                    "steps": 22,
                    "width": 1024,
                    "height": 1024,
                },
                *MADE_BY_A1111,
                "info:height",
            ),
        ),
    ),
    Client(
        "LibreChat, OpenAI",
        BEARER,
        (
            post("/v1/images/generations", IMAGE_GEN, "data.0.b64_json", "usage.total_tokens"),
            post(
                "/v1/images/generations",
                {"model": "dall-e-3", "quality": "hd", "style": "vivid", "prompt": "x", "n": 1},
                "data.0.url",
                not_applied="quality",
            ),
            Call(
                "POST",
                "/v1/images/edits",
                form=EDIT_FORM,
                files=("image[]",),
                reads=("data.0.b64_json",),
            ),
        ),
    ),
    Client(
        "LibreChat, Azure",
        AZURE,
        (
            post(
                "/openai/deployments/gpt-image-1/images/generations?api-version=2025-04-01-preview",
                IMAGE_GEN,
                "data.0.b64_json",
            ),
            Call(
                "POST",
                "/openai/deployments/gpt-image-1/images/edits?api-version=2025-04-01-preview",
                form=EDIT_FORM,
                files=("image[]", "image[]"),
                reads=("data.0.b64_json",),
            ),
        ),
    ),
    Client(
        "Dify",
        BASIC,
        (
            get(f"{SD}/sd-models", "0.title"),
            get(f"{SD}/samplers", "0.name"),
            post(f"{SD}/options", json.dumps({"sd_model_checkpoint": "pocket"})),
            post(
                f"{SD}/txt2img",
                json.dumps({"prompt": "a cat", "steps": 20, "sampler_name": "DPM++ 2M Karras"}),
                "images.0",
            ),
        ),
    ),
    Client(
        "AI-Render",
        BASIC,
        (
            post(f"{SD}/img2img", AI_RENDER, "images.0"),
            post(
                f"{SD}/img2img",
                {
                    **AI_RENDER,
                    "alwayson_scripts": {
                        "controlnet": {
                            "args": [{"module": "canny", "model": "pocket-edges [3d5711e7]"}]
                        }
                    },
                },
                "images.0",
            ),
            get("/controlnet/model_list", "model_list.0"),
            get("/controlnet/module_list", "module_list.0"),
            get(f"{SD}/upscalers", "0.name"),
            post(
                f"{SD}/extra-single-image",
                {"image": DATA_URL, "upscaling_resize": 2, "upscaler_1": "Lanczos"},
                "image",
            ),
            post(f"{SD}/no-such-route", {}, status=404, says="Not Found"),
        ),
    ),
    Client(
        "AIYA",
        BASIC,
        (
            get(f"{SD}/cmd-flags"),
            get(f"{SD}/samplers", "0.name"),
            get(f"{SD}/prompt-styles"),
            get(f"{SD}/face-restorers"),
            get(f"{SD}/embeddings", "loaded", "skipped"),
            get(f"{SD}/hypernetworks"),
            get(f"{SD}/upscalers", "0.name"),
            get(f"{SD}/sd-models", "0.title", "0.model_name", "0.filename"),
            get("/config", "components.0.props.elem_id", "components.0.props.choices"),
            post(f"{SD}/options", {"sd_model_checkpoint": "pocket"}),
            post(f"{SD}/txt2img", AIYA, "images.1"),
            post(f"{SD}/img2img", {**AIYA, "init_images": [DATA_URL]}, "images.0"),
            post(f"{SD}/png-info", {"image": DATA_URL}, "info"),
            post(
                f"{SD}/extra-single-image",
                {
                    "upscaling_resize": 2.0,
                    "upscaler_1": "Lanczos",
                    "image": DATA_URL,
                    "gfpgan_visibility": "0.0",
                    "codeformer_visibility": "0.0",
                    "upscale_first": False,
                },
                "image",
            ),
            post(f"{SD}/interrogate", {"image": DATA_URL, "model": "clip"}, status=404),
        ),
    ),
    Client(
        "text-generation-webui",
        BASIC,
        (
            post(f"{SD}/unload-checkpoint", '""'),
            post(f"{SD}/reload-checkpoint", '""'),
            get(f"{SD}/sd-models", "0.title"),
            post(f"{SD}/txt2img", TEXT_GENERATION, "images.0"),
        ),
    ),
    Client(
        "KoboldAI Lite",
        {**BEARER, "Origin": "http://front.example"},
        (
            get(f"{SD}/sd-models", "0.title"),
            get(f"{SD}/options", "samples_format", "sd_model_checkpoint"),
            post(f"{SD}/txt2img", KOBOLD, "images.0"),
            post(
                f"{SD}/img2img",
                {**KOBOLD, "init_images": [PNG], "denoising_strength": 0.6, "clip_skip": 1},
                "images.0",
            ),
        ),
    ),
    Client(
        "image-generation-mcp",
        BASIC,
        (
            get(f"{SD}/sd-models", "0.title", "0.model_name"),
            get(f"{SD}/options", "sd_model_checkpoint"),
            get(f"{SD}/progress", "progress", "state.sampling_step"),
            post(
                f"{SD}/txt2img",
                {
                    "prompt": "a cat",
                    "negative_prompt": "",
                    "width": 768,
                    "height": 768,
                    "steps": 30,
                    "cfg_scale": 7.0,
                    "sampler_name": "DPM++ 2M",
                    "scheduler": "Karras",
                    "override_settings": {"sd_model_checkpoint": "pocket"},
                },
                "images.0",
                "info:seed",
                "info:sd_model_name",
            ),
        ),
    ),
    Client("RisuAI", BASIC, (post(f"{SD}/txt2img", RISU, "images.0"),)),
    Client(
        "LobeChat",
        BEARER,
        (
            get("/v1/models", "data.0.id"),
            post(
                "/v1/images/generations",
                {
                    "model": "pocket",
                    "n": 1,
                    "prompt": "a cat",
                    "width": 512,
                    "height": 768,
                    "steps": 20,
                    "seed": None,
                },
                "data.0.b64_json",
                "usage.input_tokens_details.text_tokens",
            ),
            Call(
                "POST",
                "/v1/images/edits",
                form={"model": "pocket", "n": "1", "input_fidelity": "high", "prompt": "a dog"},
                files=("image",),
                reads=("data.0.b64_json",),
                not_applied="input_fidelity",
            ),
        ),
    ),
    Client(
        "n8n",
        BEARER,
        (
            get("/v1/models", "data.0.id"),
            post(
                "/v1/images/generations",
                {
                    "prompt": "a cat",
                    "model": "dall-e-3",
                    "response_format": "b64_json",
                    "quality": "standard",
                    "size": "1024x1024",
                    "style": "vivid",
                },
                "data.0.b64_json",
            ),
            Call(
                "POST",
                "/v1/images/edits",
                form={**EDIT_FORM, "n": "1", "input_fidelity": "low", "background": "auto"},
                files=("image", "image"),
                reads=("data.0.b64_json",),
            ),
        ),
    ),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a key, whose pictures take no time."""
    folder = tmp_path_factory.mktemp("clients")
    cors = ("http://front.example",)
    with live(folder, lambda _: ScriptedGenerator(), api_key=KEY, cors=cors) as running:
        yield running


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_client_gets_what_it_reads(client: Client, server: Live) -> None:
    with server.client(headers=client.headers) as ask:
        for call in client.calls:
            answer = _send(ask, call)
            assert answer.status_code == call.status, (str(call), answer.text[:500])
            assert answer.headers.get(NOT_APPLIED, "") == call.not_applied, str(call)
            if call.says:
                assert answer.json()["detail"] == call.says
            for path in call.reads:
                assert _found(answer.json(), path) is not None, (str(call), path)


def test_open_webui_sends_all_options_back(server: Live) -> None:
    with server.client(headers=BASIC) as ask:
        options = ask.get(f"{SD}/options").json()
        options["sd_model_checkpoint"] = "pocket"
        assert ask.post(f"{SD}/options", json=options).status_code == 200


def _send(ask: httpx.Client, call: Call) -> httpx.Response:
    if isinstance(call.body, str):
        return ask.request(call.method, call.path, content=call.body)
    files = [(name, FILE) for name in call.files] or None
    return ask.request(call.method, call.path, json=call.body, data=call.form, files=files)


def _found(value: Any, path: str) -> Any:
    """Return the value at a path."""
    outer, colon, inner = path.partition(":")
    for part in outer.split("."):
        value = value[int(part)] if part.isdecimal() else value[part]
    return _found(json.loads(value), inner) if colon else value
