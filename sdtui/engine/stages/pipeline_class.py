"""The class of a model's pipeline: what it needs, and what it is made with."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
from transformers import ProcessorMixin

from sdtui.core.errors import ModelDamagedError, UnsupportedModelError
from sdtui.engine.families.blocks import blocks_pipeline
from sdtui.models import ModelDescription

_ESSENTIAL = ("scheduler", "unet", "transformer", "vae", "text_encoder", "tokenizer")
"""Components that every pipeline needs that has them."""
_NOT_IN_REFINERS = {"text_encoder", "tokenizer"}


def other_arguments(
    folder: Path, pipeline_class: type[Any], loaded: Collection[str]
) -> dict[str, Any]:
    """Return the pipeline's other arguments: flags of the index, and None for components that
    aren't `loaded`."""
    expected, optional = pipeline_class._get_signature_keys(pipeline_class)
    index = pipeline_class.load_config(folder)
    flags = {
        name: index[name]
        for name in optional
        if name in index and not _names_component(index[name])
    }
    if "requires_safety_checker" in optional:  # its checker isn't loaded
        flags["requires_safety_checker"] = False
    return {**flags, **{name: None for name in expected if name not in loaded}}


def check_parts(description: ModelDescription, pipeline_class: type[Any]) -> None:
    """Raise ModelDamagedError if the index names no component of a kind that no pipeline works
    without."""
    expected, _ = pipeline_class._get_signature_keys(pipeline_class)
    needed = expected - description.components.keys()
    if description.is_refiner:
        needed -= _NOT_IN_REFINERS
    missing = [each for each in _ESSENTIAL if each in needed]
    if missing:
        raise ModelDamagedError(
            f"{description.path} is a model without {' and '.join(missing)}",
            "Use the whole model; its model_index.json must name all parts",
        )


def _names_component(value: Any) -> bool:
    """True for a library and a class, both None for a component that the model doesn't have."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(each, str | None) for each in value)
    )


def text_to_image_class(description: ModelDescription) -> type[Any]:
    name = description.pipeline_class
    cls = blocks_pipeline(name) or getattr(diffusers, name, None)
    if not isinstance(cls, type):
        raise UnsupportedModelError(
            f"{description.path} is made for {name or 'no pipeline'}, which diffusers "
            f"{diffusers.__version__} doesn't have",
            "Update diffusers, or use another model",
        )
    missing = missing_libraries(cls)
    if missing:
        raise UnsupportedModelError(
            f"{description.path} is made for {name}, which needs {' and '.join(missing)}",
            f"Run: pip install {' '.join(missing)}",
        )
    parameters = inspect.signature(cls.__call__).parameters
    needed = [each for each in parameters.values() if _is_needed(each)]
    if "prompt" not in parameters or "mask_image" in parameters or needed:
        more = f" (it needs {', '.join(each.name for each in needed)})" if needed else ""
        raise UnsupportedModelError(
            f"{description.path} is made for {name}, which makes no pictures from text alone{more}",
            "Use a text-to-image model",
        )
    return cls


def missing_libraries(cls: type[Any]) -> list[str]:
    """Return the libraries that are missing for a class: diffusers has one in its place that only
    says so."""
    return [each for each in getattr(cls, "_backends", ()) if find_spec(each) is None]


def without_video_processor(cls: type[Any]) -> type[Any]:
    """Return the class of a component that is loaded in place of one: processors of language models
    that see come with a part for videos, which needs torchvision. Without that library they are
    loaded without the part."""
    if not issubclass(cls, ProcessorMixin) or find_spec("torchvision") is not None:
        return cls
    names = [name for name in cls.get_attributes() if name != "video_processor"]
    return type(cls.__name__, (cls,), {"get_attributes": classmethod(lambda _: names)})


def _is_needed(parameter: inspect.Parameter) -> bool:
    """True for a parameter of a pipeline's call that has no default, and no prompt either."""
    has_default = parameter.default is not inspect.Parameter.empty
    return not (
        has_default
        or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        or parameter.name in ("self", "prompt")
    )


def corrected_scheduler(scheduler: Any, description: ModelDescription) -> Any:
    changes: dict[str, object] = {}
    if description.timestep_spacing:
        changes["timestep_spacing"] = description.timestep_spacing
    if description.prediction_type:
        changes["prediction_type"] = description.prediction_type
    if description.zero_terminal_snr:
        changes["rescale_betas_zero_snr"] = True
        changes["timestep_spacing"] = "trailing"
    # In the config rather than as arguments: the config keeps keys that this class doesn't know,
    # for samplers that do.
    defaults = set(scheduler.config.get("_use_default_values", ())) - set(changes)
    config = {**scheduler.config, **changes, "_use_default_values": list(defaults)}
    return type(scheduler).from_config(config)
