"""Lists of models, samplers and schedules; memory; the settings in a picture."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sdtui.core.errors import ImageError, ModelError, SettingsError
from sdtui.core.samplers import PLAIN_SCHEDULES, SAMPLERS, SCHEDULES
from sdtui.history import INFOTEXT_KEYWORD, parse_infotext, read_texts
from sdtui.history.importers import as_infotext, read_picture_settings
from sdtui.models import USUAL_SCALE, text_widths
from sdtui.requests.sections.hires import LATENT_UPSCALERS
from sdtui.server.api.a1111.checkpoints import CheckpointAnswer, list_checkpoints
from sdtui.server.api.a1111.control_units import SCRIPT as CONTROLNET
from sdtui.server.api.a1111.scripts import SCRIPTS, SCRIPTS_OF_IMG2IMG, ScriptInfo, script_infos
from sdtui.server.api.a1111.soft_inpainting import SCRIPT as SOFT_INPAINTING
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import documented, from_sdtui
from sdtui.server.examples import EXAMPLE_PICTURE
from sdtui.server.routing import JsonRoute

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], route_class=JsonRoute)
_ERRORS = documented("a1111")
_LONGEST_METADATA = 50_000
"""Characters; longer ones are pictures in base64."""
_FROM_TIMESTEPS = (*PLAIN_SCHEDULES, "SGM Uniform", "Simple", "DDIM")
"""The schedules that A1111 computes from the model's timesteps."""


class SamplerAnswer(BaseModel):
    """A sampler."""

    name: str
    aliases: list[str] = []
    options: dict[str, str] = {}


class SchedulerAnswer(BaseModel):
    """A noise schedule."""

    name: str
    label: str
    aliases: list[str] | None = None
    default_rho: float = -1
    need_inner_model: bool = False


class PictureBody(BaseModel):
    """A picture as base64 or a data URL."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": EXAMPLE_PICTURE}]})

    image: str


class PngInfoAnswer(BaseModel):
    """The settings in a picture."""

    info: str
    """The infotext, also of the settings of other tools; empty if there are none."""
    items: dict[str, str] = Field(default_factory=dict)
    """All texts in the file by their keywords."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """The parsed infotext."""


class ScriptsAnswer(BaseModel):
    """The names of scripts, those of `alwayson_scripts` last."""

    txt2img: list[str] = [*SCRIPTS, CONTROLNET]
    img2img: list[str] = [*SCRIPTS_OF_IMG2IMG, CONTROLNET, SOFT_INPAINTING]


class EmbeddingAnswer(BaseModel):
    """A textual inversion."""

    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None
    shape: int
    """Width of its vectors."""
    vectors: int


class EmbeddingsAnswer(BaseModel):
    """Textual inversions: those that fit the selected model, and the others."""

    loaded: dict[str, EmbeddingAnswer] = {}
    skipped: dict[str, EmbeddingAnswer] = {}


class LoraAnswer(BaseModel):
    """A LoRA."""

    name: str
    alias: str
    path: str
    metadata: dict[str, str] = {}
    """Of the file's header, without pictures."""


class NameAnswer(BaseModel):
    """Something with a name."""

    name: str


class StyleAnswer(NameAnswer):
    """A style."""

    prompt: str | None = None
    negative_prompt: str | None = None


class VaeAnswer(BaseModel):
    """A VAE."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    filename: str


class UpscalerAnswer(NameAnswer):
    """An upscaler."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str | None = None
    model_path: str | None = None
    model_url: str | None = None
    scale: float | None = 4


@router.get("/sd-models", responses=_ERRORS)
async def sd_models(services: ServicesDep) -> list[CheckpointAnswer]:
    """List the models."""
    return await list_checkpoints(services)


@router.get("/samplers", responses=_ERRORS)
async def samplers() -> list[SamplerAnswer]:
    """List the samplers, without their schedules."""
    return [SamplerAnswer(name=name) for name in SAMPLERS]


@router.get("/schedulers", responses=_ERRORS)
async def schedulers() -> list[SchedulerAnswer]:
    """List the noise schedules."""
    names = ("Automatic", *PLAIN_SCHEDULES, *SCHEDULES)
    return [
        SchedulerAnswer(
            name=name.lower().replace(" ", "_"),
            label=name,
            aliases=["SGMUniform"] if name == "SGM Uniform" else None,
            default_rho={"Karras": 7.0, "Polyexponential": 1.0}.get(name, -1),
            need_inner_model=name in _FROM_TIMESTEPS,
        )
        for name in names
    ]


@router.get("/memory", responses=_ERRORS)
async def memory(services: ServicesDep) -> dict[str, dict[str, Any]]:
    """Return the memory of the machine and of the first GPU, in bytes."""
    hardware = services.backend.hardware
    sample = hardware.latest
    if sample is None:
        sample = await asyncio.to_thread(hardware.sample)
    ram = _memory(sample.ram_used, sample.ram_total)
    if not sample.gpus:
        return {"ram": ram, "cuda": {"error": "unavailable"}}
    gpu = sample.gpus[0]
    system = _memory(gpu.memory_used, gpu.memory_total)
    own = {"current": gpu.own_memory or 0, "peak": gpu.own_memory or 0}
    events = {"retries": 0, "oom": 0}
    return {
        "ram": ram,
        "cuda": {
            "system": system,
            "active": own,
            "allocated": own,
            "reserved": own,
            "inactive": {"current": 0, "peak": 0},
            "events": events,
        },
    }


@router.post("/png-info", responses=documented("a1111", 408, 429, 503, 507))
async def png_info(body: PictureBody, services: ServicesDep) -> PngInfoAnswer:
    """Read the settings in a picture of sdtui or another tool."""

    def read() -> PngInfoAnswer:
        path = services.uploads.path_for(body.image)
        services.uploads.keep({path: body.image})
        try:
            texts, text = _texts_of(path)
        finally:
            services.uploads.forget([path])
        found = parse_infotext(text)
        pairs = {"Prompt": found.prompt, "Negative prompt": found.negative_prompt, **found.pairs}
        width, _, height = pairs.get("Size", "").partition("x")
        if height:
            pairs |= {"Size-1": width, "Size-2": height}
        return PngInfoAnswer(info=text, items=texts, parameters=pairs if text else {})

    return await asyncio.to_thread(read)


def _texts_of(path: Path) -> tuple[dict[str, str], str]:
    """The texts in a picture, and its infotext: that of the settings in them if it has none."""
    try:
        texts = read_texts(path).texts
    except ImageError:  # a format without texts
        return {}, ""
    text = texts.get(INFOTEXT_KEYWORD) or texts.get("UserComment") or ""
    if not parse_infotext(text).pairs:
        with contextlib.suppress(ImageError):  # texts without settings
            text = as_infotext(read_picture_settings(path))
    return texts, text


@router.get("/scripts", responses=_ERRORS)
async def scripts() -> ScriptsAnswer:
    """List the names of scripts."""
    return ScriptsAnswer()


@router.get("/script-info", responses=_ERRORS)
async def script_info() -> list[ScriptInfo]:
    """Describe the arguments of the scripts."""
    return script_infos()


@router.get("/embeddings", responses=_ERRORS)
async def embeddings(services: ServicesDep) -> EmbeddingsAnswer:
    """List textual inversions."""

    def find() -> EmbeddingsAnswer:
        models = services.backend.models
        widths: tuple[int, ...] = ()
        with contextlib.suppress(ModelError):  # one that can't be described fits none
            described = models.describe(models.find(services.a1111.checkpoint))
            widths = text_widths(described) if described else ()
        answer = EmbeddingsAnswer()
        for each in models.embeddings():
            if each.embedding is None:
                continue
            fits = each.embedding.fits(widths)
            (answer.loaded if fits else answer.skipped)[each.name] = EmbeddingAnswer(
                shape=each.embedding.width, vectors=each.embedding.vectors
            )
        return answer

    return await asyncio.to_thread(find)


@router.get("/loras", responses=_ERRORS)
async def loras(services: ServicesDep) -> list[LoraAnswer]:
    """List the LoRAs that can be used."""
    installed = await asyncio.to_thread(services.backend.models.loras)
    return [
        LoraAnswer(
            name=lora.path.stem,
            alias=lora.alias,
            path=str(lora.path),
            metadata={
                name: text
                for name, text in lora.header.metadata.items()
                if len(text) <= _LONGEST_METADATA
            },
        )
        for lora in (each.lora for each in installed)
        if lora is not None
    ]


@router.get("/upscalers", responses=_ERRORS)
async def upscalers(services: ServicesDep) -> list[UpscalerAnswer]:
    """List the upscalers that can be used, "None" first."""
    found = await asyncio.to_thread(services.backend.models.upscalers)
    return [
        UpscalerAnswer(
            name=each.name,
            model_name=each.path.stem if each.path else None,
            model_path=str(each.path) if each.path else None,
            scale=each.scale or USUAL_SCALE,
        )
        for each in found
        if not each.problem
    ]


@router.get("/prompt-styles", responses=_ERRORS)
async def prompt_styles(services: ServicesDep) -> list[StyleAnswer]:
    """List the styles."""
    try:
        styles = await asyncio.to_thread(services.backend.prompts.styles)
    except SettingsError as error:
        raise from_sdtui(error) from error
    return [StyleAnswer(**asdict(style)) for style in styles]


@router.get("/cmd-flags", responses=_ERRORS)
async def cmd_flags() -> dict[str, Any]:
    """List command-line flags: always none."""
    return {}


@router.get("/sd-vae", responses=_ERRORS)
async def sd_vae(services: ServicesDep) -> list[VaeAnswer]:
    """List the VAEs that `override_settings` may name as `sd_vae`."""
    found = await asyncio.to_thread(services.backend.models.vaes)
    return [VaeAnswer(model_name=each.path.name, filename=each.path.name) for each in found]


@router.get("/latent-upscale-modes", responses=_ERRORS)
async def latent_upscale_modes() -> list[NameAnswer]:
    """List the upscalers of latents."""
    return [NameAnswer(name=name) for name in LATENT_UPSCALERS]


@router.get("/hypernetworks", responses=_ERRORS)
@router.get("/face-restorers", responses=_ERRORS)
@router.get("/realesrgan-models", responses=_ERRORS)
@router.get("/sd-modules", responses=_ERRORS)
@router.get("/extensions", responses=_ERRORS)
async def none() -> list[NameAnswer]:
    """List what sdtui doesn't have: always none."""
    return []


@router.post("/refresh-checkpoints", responses=_ERRORS)
@router.post("/refresh-vae", responses=_ERRORS)
@router.post("/refresh-loras", responses=_ERRORS)
@router.post("/refresh-embeddings", responses=_ERRORS)
async def refresh() -> None:
    """Does nothing, since lists are read anew for each request."""


def _memory(used: int, total: int) -> dict[str, int]:
    return {"free": total - used, "used": used, "total": total}
