"""The routes of A1111's extension sd-webui-controlnet (scripts/api.py)."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from sdtui.core.enums import ImageFit
from sdtui.core.errors import SdtuiError
from sdtui.core.pictures.preprocessors import (
    DEFAULT_RESOLUTION,
    IP_ADAPTER_MODULE,
    PREPROCESSORS,
    Preprocessor,
    preprocessor_name,
)
from sdtui.jobs.model_api import Models
from sdtui.requests.input_images import picture_in_bytes
from sdtui.server.api.a1111.control_units import MOST_UNITS
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented, from_sdtui
from sdtui.server.examples import EXAMPLE_PICTURE
from sdtui.server.routing import JsonRoute

router = APIRouter(prefix="/controlnet", tags=["AUTOMATIC1111"], route_class=JsonRoute)
_ERRORS = documented("a1111")
_MOST_PICTURES = 16
_ADAPTERS = "IP-Adapter"
_PARTS_OF_NAMES = {"segmentation": "seg", "grey": "recolor"}
"""What the names of nets for a preprocessor have, where that isn't its own name."""
_VERSION = 3
"""The version of the extension's API that clients ask for."""


class VersionAnswer(BaseModel):
    version: int = _VERSION


class ModelListAnswer(BaseModel):
    """Names with A1111's short hash."""

    model_list: list[str]


class ModuleListAnswer(BaseModel):
    """Preprocessors under the names of the extension."""

    module_list: list[str]
    module_detail: dict[str, dict[str, Any]]


class SettingsAnswer(BaseModel):
    control_net_unit_count: int = MOST_UNITS


class ControlTypesAnswer(BaseModel):
    """What goes together: the lists of preprocessors and nets of each type."""

    control_types: dict[str, dict[str, Any]]


class DetectBody(BaseModel):
    """Pictures to make control maps of."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"controlnet_module": "canny", "controlnet_input_images": [EXAMPLE_PICTURE]}
            ]
        },
    )

    controlnet_module: str = "none"
    controlnet_input_images: list[str] = Field(
        default=[],
        max_length=_MOST_PICTURES,
        validation_alias=AliasChoices("controlnet_input_images", "controlnet_images"),
    )
    """As base64 or data URLs. The second name is that of the package webuiapi."""
    controlnet_processor_res: int = Field(DEFAULT_RESOLUTION, ge=-1, le=2048)
    controlnet_threshold_a: float = 64
    controlnet_threshold_b: float = 64
    controlnet_masks: list[str] = []


class DetectAnswer(BaseModel):
    """PNG files as base64."""

    images: list[str]
    info: str = "Success"


@router.get("/version", responses=_ERRORS)
async def version() -> VersionAnswer:
    """Return the version of this API."""
    return VersionAnswer()


@router.get("/settings", responses=_ERRORS)
async def settings() -> SettingsAnswer:
    """Return how many units a request may switch on."""
    return SettingsAnswer()


@router.get("/model_list", responses=_ERRORS)
async def model_list(services: ServicesDep) -> ModelListAnswer:
    """List the ControlNets that can be used."""
    names = await asyncio.to_thread(_names, services.backend.models)
    return ModelListAnswer(model_list=names)


@router.get("/module_list", responses=_ERRORS)
async def module_list() -> ModuleListAnswer:
    """List the preprocessors and their values."""
    known = PREPROCESSORS.values()
    return ModuleListAnswer(
        module_list=[*(each.a1111_name for each in known), IP_ADAPTER_MODULE],
        module_detail={each.a1111_name: _detail(each) for each in known},
    )


@router.get("/control_types", responses=_ERRORS)
async def control_types(services: ServicesDep) -> ControlTypesAnswer:
    """List what goes together."""
    names = await asyncio.to_thread(_names, services.backend.models)
    modules = [each.a1111_name for each in PREPROCESSORS.values()]
    found = {"All": _type([*modules, IP_ADAPTER_MODULE], names)}
    for each in PREPROCESSORS.values():
        if each.name != "none":
            part = _PARTS_OF_NAMES.get(each.name, each.name)
            fitting = [name for name in names if part in name.lower()]
            found[each.listed_under] = _type([each.a1111_name, "none"], fitting)
    adapters = await asyncio.to_thread(_adapters, services.backend.models)
    found[_ADAPTERS] = _type([IP_ADAPTER_MODULE], adapters)
    return ControlTypesAnswer(control_types=found)


@router.post("/detect", responses=_ERRORS)
async def detect(body: DetectBody, services: ServicesDep) -> DetectAnswer:
    """Make the control maps of pictures, by preprocessors that need no model."""
    images = await asyncio.to_thread(_detect, body, services)
    return DetectAnswer(images=images)


def _detect(body: DetectBody, services: ServerServices) -> list[str]:
    from sdtui.core.pictures.control_maps import (
        control_map,
        is_arithmetic,
        resized,
        working_size,
    )

    try:
        name = preprocessor_name(body.controlnet_module)
    except ValueError as error:
        raise ApiError(422, "InvalidRequestError", f"Module not available: it {error}.") from error
    if not body.controlnet_input_images:
        raise ApiError(422, "InvalidRequestError", "No image selected.")
    if not is_arithmetic(name):
        message = f"{name} needs a model, which only a job loads: ask for a picture with it."
        raise ApiError(422, "Unsupported", message)
    side = body.controlnet_processor_res
    side = DEFAULT_RESOLUTION if side < 64 else side
    made = []
    for picture in body.controlnet_input_images:
        try:
            image = picture_in_bytes(services.uploads.read(picture))
        except SdtuiError as error:
            raise from_sdtui(error) from error
        image = resized(image, working_size(image.size, image.size, side, ImageFit.CROP))
        low, high = body.controlnet_threshold_a, body.controlnet_threshold_b
        buffer = io.BytesIO()
        control_map(image, name, low, high).save(buffer, "PNG")
        made.append(base64.b64encode(buffer.getvalue()).decode())
    return made


def _names(models: Models) -> list[str]:
    """Return the names of nets, and of IP-Adapters, which are nets to the extension."""
    nets = (each.opened for each in models.controlnets())
    return [*(net.a1111_name() for net in nets if net is not None), *_adapters(models)]


def _adapters(models: Models) -> list[str]:
    return [each.name for each in models.ip_adapters() if each.opened is not None]


def _type(modules: Iterable[str], names: list[str]) -> dict[str, Any]:
    chosen = list(modules)
    return {
        "module_list": chosen,
        "model_list": ["None", *names],
        "default_option": chosen[0],
        "default_model": names[0] if names else "None",
    }


def _detail(preprocessor: Preprocessor) -> dict[str, Any]:
    """Return a preprocessor's values as the extension's sliders."""
    resolution = {"name": "Resolution", "value": DEFAULT_RESOLUTION, "min": 64, "max": 2048}
    values = [each for each in (preprocessor.low, preprocessor.high) if each is not None]
    return {
        "model_free": False,
        "sliders": [resolution] * (preprocessor.name != "none")
        + [
            {
                "name": each.label,
                "value": each.default,
                "min": each.minimum,
                "max": each.maximum,
            }
            for each in values
        ],
    }
