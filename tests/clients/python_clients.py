"""Try a server with Python clients of A1111's, OpenAI's and Azure's API; see README.md."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import litellm
import openai
import webuiapi
from huggingface_hub import InferenceClient
from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper
from PIL import Image
from sd_backend_client import (
    ControlNetUnit,
    DiffusionRequestBody,
    DiffusionUpscalingParams,
    PreprocessorParams,
)
from sd_backend_client.api.detect import connect_to_backend

Check = tuple[str, Callable[[], Any]]
SIDE = 128
SIZE = f"{SIDE}x{SIDE}"
QUICK = {"steps": 2}


def picture() -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), "red")


def mask() -> Image.Image:
    """Return a mask as A1111 has it: white is redrawn."""
    whole = Image.new("L", (SIDE, SIDE), 0)
    whole.paste(255, (0, 0, SIDE // 2, SIDE))
    return whole


def file(image: Image.Image | None = None) -> io.BytesIO:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, "PNG")
    buffer.seek(0)
    buffer.name = "picture.png"
    return buffer


def transparent() -> io.BytesIO:
    """Return a mask as OpenAI has it: what is transparent is redrawn."""
    return file(Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)))


def succeeds(call: Callable[[], object]) -> bool:
    """Return whether a call answers, and not with an error, which not all clients notice."""
    return "error" not in str(call())[:10]


def refused(call: Callable[[], object], reason: str) -> Callable[[], bool]:
    """Return a check that succeeds if a call is refused for this reason."""

    def check() -> bool:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - each client has its own
            return reason in str(error)
        return False

    return check


def openai_checks(url: str, key: str) -> Iterator[Check]:
    client: Any = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    images = client.images
    few: Any = {"prompt": "a red apple", "extra_body": QUICK}
    for size in ("256x256", "512x512", "1024x1024", "1536x1024", "1024x1792", "auto"):
        once = partial(images.generate, prompt="x", size=size, extra_body={"steps": 1})
        yield f"generate, {size}", once
    few["size"] = SIZE
    for name in ("png", "jpeg", "webp"):
        compressed = partial(images.generate, output_format=name, output_compression=60, **few)
        yield f"generate, {name}", compressed
    yield "generate, 10 pictures", lambda: len(images.generate(n=10, **few).data) == 10
    yield "generate, link", lambda: images.generate(response_format="url", **few).data[0].url
    yield "generate, usage", lambda: images.generate(**few).usage.output_tokens
    yield (
        "generate, 32,000 characters",
        lambda: images.generate(**{**few, "prompt": "x " * 16_000}).data,
    )
    yield (
        "generate, stream",
        lambda: [each.type for each in images.generate(stream=True, partial_images=1, **few)][-1],
    )
    yield "edit", lambda: images.edit(image=file(), **few).data
    yield "edit, mask", lambda: images.edit(image=file(), mask=transparent(), **few).data
    yield "edit, two pictures", lambda: len(images.edit(image=[file(), file()], **few).data) == 2
    yield (
        "edit, stream",
        lambda: [each.usage.total_tokens for each in images.edit(image=file(), stream=True, **few)],
    )
    yield "variation", lambda: images.create_variation(image=file(), n=2).data[1].url
    yield "models", lambda: client.models.retrieve(client.models.list().data[0].id).id
    yield (
        "transparent background is refused",
        refused(lambda: images.generate(background="transparent", **few), "background: must be"),
    )


def azure_checks(url: str, key: str) -> Iterator[Check]:
    client: Any = openai.AzureOpenAI(
        azure_endpoint=url, api_key=key, api_version="2025-04-01-preview", max_retries=0
    )
    few: Any = {"prompt": "x", "size": SIZE, "model": "gpt-image-1", "extra_body": QUICK}
    yield "generate", lambda: client.images.generate(**few).data
    yield "edit", lambda: client.images.edit(image=file(), **few).data
    yield "models", lambda: client.models.list().data[0].id


def litellm_checks(url: str, key: str) -> Iterator[Check]:
    api: Any = {"api_base": f"{url}/v1", "api_key": key}
    few: Any = {"prompt": "x", "size": SIZE}
    yield (
        "generate",
        lambda: litellm.image_generation(model="openai/gpt-image-1", **few, **api).usage,
    )
    yield (
        "model of the server",
        lambda: litellm.image_generation(model="openai/pocket", **few, **api),
    )
    yield (
        "edit, two pictures",
        lambda: litellm.image_edit(
            model="openai/gpt-image-1", image=[file(), file()], **few, **api
        ),
    )
    yield (
        "variation",
        lambda: litellm.image_variation(model="openai/dall-e-2", image=file(), **api).data,
    )
    azure: Any = {"api_base": url, "api_key": key, "api_version": "2024-02-01"}
    yield "Azure", lambda: litellm.image_generation(model="azure/pocket", **few, **azure).data


def langchain_checks(url: str, key: str) -> Iterator[Check]:
    def run() -> str:
        wrapper = DallEAPIWrapper(base_url=f"{url}/v1", api_key=key, model="dall-e-3", size=SIZE)
        return str(wrapper.run("a red apple"))

    yield "run", run


def webuiapi_checks(url: str, key: str) -> Iterator[Check]:
    api = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", username="me", password=key, steps=2)

    # The client keeps scripts of earlier calls in its default argument.
    def few(**changes: Any) -> Any:
        return {"prompt": "x", "width": SIDE, "height": SIDE, "alwayson_scripts": {}, **changes}

    unit = webuiapi.ControlNetUnit(
        image=picture(), module="canny", model=api.controlnet_model_list()[0]
    )
    yield "txt2img", lambda: api.txt2img(**few()).image
    yield "hires fix", lambda: api.txt2img(enable_hr=True, hr_scale=1.5, **few()).image.width == 192
    yield "styles", lambda: api.txt2img(styles=["none of this name"], **few()).image
    yield "ControlNet", lambda: len(api.txt2img(controlnet_units=[unit], **few()).images) == 2
    yield "img2img", lambda: api.img2img(images=[picture()], **few()).image
    yield "inpainting", lambda: api.img2img(images=[picture()], mask_image=mask(), **few()).image
    script = {"script_name": "SD upscale", "script_args": ["", 64, "Lanczos", 1.5]}
    yield "script", lambda: api.img2img(images=[picture()], **script, **few()).image
    double: Any = {"upscaler_1": "Lanczos", "upscaling_resize": 2}
    yield "upscale", lambda: api.extra_single_image(image=picture(), **double).image.width == 256
    yield "upscale two", lambda: api.extra_batch_images(images=[picture()] * 2, **double).images[1]
    yield "png-info", lambda: "Steps: 2" in api.png_info(api.txt2img(**few()).image).info
    yield "detect", lambda: api.controlnet_detect(images=[picture()], module="canny").image
    yield "set_model", lambda: api.util_set_model("pocket") is None
    yield "set_options", lambda: api.set_options(api.get_options()) is None
    for name in sorted(dir(api)):
        is_gone = name in ("get_artists", "get_artist_categories", "get_endpoint")  # since 2022
        if name.startswith(("get_", "util_get_", "refresh_", "interrupt", "skip")) and not is_gone:
            yield name, partial(succeeds, getattr(api, name))
    detailer = webuiapi.ADetailer(ad_model="face_yolov8n.pt")
    yield (
        "ADetailer is refused",
        refused(lambda: api.txt2img(adetailer=[detailer], **few()), "ADetailer not found"),
    )
    yield (
        "interrogate is refused",
        refused(lambda: api.interrogate(picture()), "describes pictures"),
    )


def sd_backend_checks(url: str, key: str) -> Iterator[Check]:
    backend = connect_to_backend(url, credentials_provider=lambda: ("me", key))
    asked = ("list_", "get_", "progress", "refresh")
    for name in sorted(dir(backend)):
        if name.startswith(asked) and name not in ("get_thumbnail", "get"):
            yield name, partial(succeeds, getattr(backend, name))

    def body(**changes: Any) -> Any:
        return DiffusionRequestBody(prompt="x", width=SIDE, height=SIDE, steps=2, **changes)

    def upscaled(**options: Any) -> Any:
        way = DiffusionUpscalingParams(**options)
        return backend.submit_upscale(picture(), 256, 256, way).wait()

    (canny,) = [each for each in backend.get_controlnet_preprocessors() if each.name == "canny"]
    unit = ControlNetUnit(
        image=picture(),
        model=backend.list_controlnet_models()[0],
        preprocessor=PreprocessorParams(typedef=canny),
    )
    source: Any = {"init_images": [picture()]}
    yield "txt2img", lambda: backend.submit_txt2img(body()).wait().images
    yield "hires fix", lambda: backend.submit_txt2img(body(enable_hr=True)).wait().images
    yield "ControlNet", lambda: backend.submit_txt2img(body(controlnet_units=[unit])).wait().images
    yield "img2img", lambda: backend.submit_img2img(body(**source)).wait().images
    for is_soft in (False, True):
        masked = body(mask=mask(), soft_inpainting=is_soft, **source)
        yield f"inpainting, soft: {is_soft}", partial(succeeds, backend.submit_inpaint(masked).wait)
    yield "map", lambda: backend.submit_preprocessor_preview(picture(), canny).wait().images
    yield "upscale", lambda: upscaled().images
    for is_ultimate in (False, True):
        way = partial(upscaled, use_ultimate_upscale_script=is_ultimate)
        yield f"upscale, script: {is_ultimate}", partial(way, use_stable_diffusion_upscaling=True)


def huggingface_checks(url: str, key: str) -> Iterator[Check]:
    few: Any = {"prompt": "x", "num_inference_steps": 2}
    for model in (url, f"{url}/models/pocket"):
        client = InferenceClient(model=model, token=key)
        drawn = partial(client.text_to_image, width=SIDE, height=SIDE, seed=4, **few)
        yield f"text to image, {model}", drawn
        redrawn = partial(client.image_to_image, file().getvalue(), **few)
        yield f"image to image, {model}", redrawn


CLIENTS = {
    "openai": openai_checks,
    "openai, Azure": azure_checks,
    "litellm": litellm_checks,
    "langchain": langchain_checks,
    "webuiapi": webuiapi_checks,
    "sd-backend-client": sd_backend_checks,
    "huggingface_hub": huggingface_checks,
}


def main(url: str, key: str = "none") -> int:
    litellm.suppress_debug_info = True
    failures = 0
    for client, checks in CLIENTS.items():
        for name, check in checks(url.rstrip("/"), key):
            try:
                problem = "" if check() else "nothing came back"
            except Exception as error:  # noqa: BLE001 - each client has its own
                problem = f"{type(error).__name__}: {error}"[:300]
            failures += bool(problem)
            result = f"{'FAILED' if problem else 'ok':6} {client}: {name} {problem}"
            sys.stdout.write(f"{result.rstrip()}\n")
            sys.stdout.flush()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
