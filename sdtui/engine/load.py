"""Loading a described model into a diffusers pipeline, part by part."""

from __future__ import annotations

import importlib
import inspect
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import ModelDamagedError, UnsafeModelError, UnsupportedModelError
from sdtui.engine.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.models.description import CONFIGS, ModelDescription, describe_components, weight_files

OnComponent = Callable[[str, int, int], None]
"""Called before a component is loaded: its name, its number (from 1), how many there are."""

_LIBRARIES = ("diffusers", "transformers")
_UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that Stable Diffusion pipelines can do without and that sdtui doesn't use."""


def load_pipeline(
    description: ModelDescription,
    dtype: torch.dtype,
    on_component: OnComponent,
    cancellation: Cancellation,
) -> tuple[Any, dict[str, float]]:
    """Load a pipeline into main memory; also returns the seconds that each component took.

    `cancellation` is looked at between components. Raises ModelDamagedError,
    UnsupportedModelError, UnsafeModelError, CancelledError, or the libraries' own error when
    memory runs out.
    """
    pipeline_class = _text_to_image_class(description)
    timings: dict[str, float] = {}
    names = list(_loaded_components(description))
    parts: dict[str, Any] = {}
    with _damage_named(description.path), _folder_of(description) as folder:
        for number, name in enumerate(names, start=1):
            cancellation.check()
            on_component(name, number, len(names))
            started = time.perf_counter()
            parts[name] = load_component(description, name, dtype, folder)
            timings[name] = time.perf_counter() - started
        cancellation.check()
        pipeline = pipeline_class(**parts, **_other_arguments(description, folder, pipeline_class))
    pipeline.set_progress_bar_config(disable=True)
    if description.prediction_type or description.zero_terminal_snr:
        pipeline.scheduler = _corrected_scheduler(pipeline.scheduler, description)
    return pipeline, timings


def load_component(
    description: ModelDescription, name: str, dtype: torch.dtype, folder: Path | None = None
) -> Any:
    """Load one component of a model. `folder` = where its config is (found if not given)."""
    if folder is None:
        with _folder_of(description) as found:
            return load_component(description, name, dtype, found)
    library, class_name = _components(description)[name]
    cls = getattr(importlib.import_module(library), class_name, None)
    if cls is None:
        raise UnsupportedModelError(
            f"{description.path} needs {library}.{class_name}, which this version doesn't have",
            f"Update {library}",
        )
    place = folder / name
    if not issubclass(cls, torch.nn.Module):
        return cls.from_pretrained(place)
    if description.single_file:
        return _from_single_file(cls, description, name, folder, dtype)
    variant = "fp16" if all(".fp16" in file.name for file in weight_files(place)) else None
    return cls.from_pretrained(place, dtype=dtype, variant=variant, use_safetensors=True).eval()


def _from_single_file(
    cls: type, description: ModelDescription, name: str, folder: Path, dtype: torch.dtype
) -> torch.nn.Module:
    if hasattr(cls, "from_single_file"):
        module = cls.from_single_file(
            str(description.path), config=str(folder), subfolder=name, dtype=dtype
        )
    else:
        # Text encoders: diffusers converts them only as part of a whole pipeline, so every
        # other part is handed in empty.
        others = dict.fromkeys(set(_components(description)) - {name})
        pipeline_class = getattr(diffusers, description.pipeline_class)
        pipeline = pipeline_class.from_single_file(
            str(description.path), config=str(folder), dtype=dtype, **others
        )
        module = getattr(pipeline, name)
    assert isinstance(module, torch.nn.Module)
    return module.to(dtype).eval()


def _components(description: ModelDescription) -> Mapping[str, tuple[str, str]]:
    if not description.single_file:
        return description.components
    return describe_components(CONFIGS / description.family)


def _loaded_components(description: ModelDescription) -> Iterator[str]:
    for name, (library, class_name) in _components(description).items():
        if description.is_stable_diffusion and name in _UNUSED:
            continue
        if library not in _LIBRARIES:
            raise UnsafeModelError(
                f"{description.path} asks for {library}.{class_name}, which is no part of "
                "diffusers or transformers",
                "Use a model that needs no remote code",
            )
        yield name


def _other_arguments(
    description: ModelDescription, folder: Path, pipeline_class: type[Any]
) -> dict[str, Any]:
    """The pipeline's arguments that are no components: flags of the index, and None for the
    parts that are left out."""
    expected, optional = pipeline_class._get_signature_keys(pipeline_class)
    index = pipeline_class.load_config(folder)
    loaded = set(_loaded_components(description))
    flags = {
        name: index[name]
        for name in optional
        if name in index and not isinstance(index[name], list) and name != "requires_safety_checker"
    }
    if "requires_safety_checker" in optional:
        flags["requires_safety_checker"] = False
    return {**flags, **{name: None for name in expected if name not in loaded}}


def _text_to_image_class(description: ModelDescription) -> type[Any]:
    name = description.pipeline_class
    cls: type[Any] | None = getattr(diffusers, name, None)
    if cls is None:
        raise UnsupportedModelError(
            f"{description.path} is made for {name or 'no pipeline'}, which diffusers "
            f"{diffusers.__version__} doesn't have",
            "Update diffusers, or use another model",
        )
    parameters = inspect.signature(cls.__call__).parameters
    needs_image = (
        any(
            parameter.default is inspect.Parameter.empty and name.endswith("image")
            for name, parameter in parameters.items()
        )
        or "mask_image" in parameters
        or name.endswith(("Img2ImgPipeline", "UpscalePipeline"))
    )
    if "prompt" not in parameters or needs_image:
        raise UnsupportedModelError(
            f"{description.path} is made for {name}, which makes no pictures from text alone",
            "Use a text-to-image model",
        )
    return cls


def _corrected_scheduler(scheduler: Any, description: ModelDescription) -> Any:
    changes: dict[str, object] = {}
    if description.prediction_type:
        changes["prediction_type"] = description.prediction_type
    if description.zero_terminal_snr:
        changes["rescale_betas_zero_snr"] = True
        changes["timestep_spacing"] = "trailing"
    return type(scheduler).from_config(scheduler.config, **changes)


@contextmanager
def _folder_of(description: ModelDescription) -> Iterator[Path]:
    """The folder that holds a model's configs: its own, or for a single file the family's with
    the shared tokenizer files laid in."""
    if not description.single_file:
        yield description.path
        return
    with tempfile.TemporaryDirectory(prefix="sdtui-") as name:
        folder = Path(name) / description.family
        shutil.copytree(CONFIGS / description.family, folder)
        for tokenizer in folder.glob("tokenizer*"):
            for file in ("vocab.json", "merges.txt"):
                shutil.copyfile(CONFIGS / "tokenizer" / file, tokenizer / file)
        yield folder


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn the libraries' many errors about unusable files into ModelDamagedError. What is out of
    memory, or our own, passes."""
    try:
        yield
    except (*OOM_CANDIDATES, ValueError, KeyError, TypeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        lines = str(error).strip().splitlines()
        raise ModelDamagedError(
            f"{path} can't be loaded: {lines[0][:300] if lines else type(error).__name__}",
            "Download or copy the model again; the log has the whole error",
        ) from error
