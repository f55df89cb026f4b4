"""The load stage: from a model's files to a diffusers pipeline, component by component."""

from __future__ import annotations

import importlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from safetensors import safe_open

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, Quantize
from sdtui.core.errors import ModelDamagedError, SdtuiError, UnsafeModelError, UnsupportedModelError
from sdtui.core.text import counted, one_line
from sdtui.engine.device import TORCH_DTYPES
from sdtui.engine.families import family_of
from sdtui.engine.memory.oom import is_out_of_memory
from sdtui.engine.prediction import shown_prediction
from sdtui.engine.quantized.folder_parts import empty_module, load_by_tensor
from sdtui.engine.quantized.layers import quantize_model
from sdtui.engine.quantized.part_file import load_part
from sdtui.engine.quantized.transformer_file import load_transformer
from sdtui.engine.stages.pipeline_class import (
    check_parts,
    corrected_scheduler,
    missing_libraries,
    other_arguments,
    text_to_image_class,
    without_video_processor,
)
from sdtui.models import ModelDescription, weight_variant
from sdtui.models.component_files import CONFIGS, read_json
from sdtui.models.transformer_kinds import DENOISERS, UNET
from sdtui.models.unmarked_folder import unmarked
from sdtui.models.weights import can_quantize

OnComponent = Callable[[str, int, int], None]
"""Called before each component is loaded: its name, its number (from 1), and the total."""

_log = logging.getLogger(__name__)

_LIBRARIES = ("diffusers", "transformers")

_LIKE_EULER = ("LMSDiscreteScheduler", "DPMSolverSDEScheduler")
"""Schedulers that need another library. Only their configs are used, which EulerDiscreteScheduler
takes as well: the sampler of a run is made from it."""
_TOKENIZER = "tokenizer"
"""A component that reads texts. That of FLUX.2 dev (PixtralProcessor) is made to read pictures as
well, for which it needs torchvision; the tokenizer in it reads texts without."""


def load_pipeline(
    description: ModelDescription,
    dtype: DType,
    on_component: OnComponent,
    cancellation: Cancellation,
    *,
    quantize: Quantize = Quantize.NONE,
    empty: bool = False,
) -> tuple[Any, dict[str, float]]:
    """Load a pipeline into main memory; returns it and the seconds of each component. If `empty`,
    its modules have no weights: they are on the meta device.

    `cancellation` is checked between components. Raises ModelDamagedError, UnsupportedModelError,
    UnsafeModelError, CancelledError, or the libraries' own error when memory runs out.
    """
    pipeline_class = text_to_image_class(description)
    check_parts(description, pipeline_class)
    timings: dict[str, float] = {}
    names = list(_loaded_components(description))
    parts: dict[str, Any] = {}
    with _folder_of(description) as folder:
        for number, name in enumerate(names, start=1):
            cancellation.check()
            on_component(name, number, len(names))
            started = time.perf_counter()
            own_dtype = TORCH_DTYPES[description.dtype_of(name, dtype)]
            if empty:
                parts[name] = _empty_component(description, name, own_dtype, folder)
            else:
                parts[name] = load_component(description, name, own_dtype, folder, quantize)
            timings[name] = time.perf_counter() - started
        cancellation.check()
        with _as_damaged_model(description.path):
            others = other_arguments(folder, pipeline_class, parts)
            pipeline = pipeline_class(**parts, **others)
    pipeline.set_progress_bar_config(disable=True)
    if description.guessed_prediction:
        unet = pipeline.unet
        if empty:
            unet = load_component(description, "unet", TORCH_DTYPES[dtype])
        shown = shown_prediction(unet)
        description = replace(description, prediction_type=shown)
    if description.prediction_type or description.zero_terminal_snr or description.timestep_spacing:
        pipeline.scheduler = corrected_scheduler(pipeline.scheduler, description)
    return pipeline, timings


def load_component(
    description: ModelDescription,
    name: str,
    dtype: torch.dtype,
    folder: Path | None = None,
    quantize: Quantize = Quantize.NONE,
) -> Any:
    """Load one component of a model. `folder` = the folder of its config (found if not given).

    Raises the same errors as `load_pipeline`.
    """
    if folder is None:
        with _folder_of(description) as found:
            return load_component(description, name, dtype, found, quantize)
    cls, library = _component_class(description, name)
    source = description.part_files.get(name, description.path)
    with _as_damaged_model(source), _default_dtype_restored():
        if not issubclass(cls, torch.nn.Module):
            return _from_folder(cls, library, folder / name)
        if quantize is not Quantize.NONE and not can_quantize(description, name):
            quantize = Quantize.NONE
        if name in description.part_files:
            _log.info("%s of %s comes from %s", name, description.name, source)
            module, missing = load_part(cls, library, source, folder / name, dtype, quantize)
        elif name in DENOISERS and (description.transformer_file or description.single_file):
            place, changes = folder / name, _changed_config(description) if name == UNET else {}
            module, missing = load_transformer(
                cls, description.path, place, dtype, quantize, **changes
            )
        elif description.single_file:
            module, missing = _module_from_file(cls, description, name, folder, dtype)
        else:
            module, missing = _module_from_folder(cls, library, folder / name, dtype, quantize)
        if missing:
            raise ValueError(
                f"{name} lacks {counted(len(missing), 'tensor')}, {min(missing)} among them"
            )
        if quantize is not Quantize.NONE:
            quantize_model(module, quantize)
        return module.eval()


def _component_class(description: ModelDescription, name: str) -> tuple[Any, str]:
    """Return the class of a component and its library. Raises UnsupportedModelError."""
    library, class_name = description.components[name]
    cls = getattr(importlib.import_module(library), class_name, None)
    if not isinstance(cls, type):
        raise UnsupportedModelError(
            f"{description.path} needs {library}.{class_name}, which this version doesn't have",
            f"Update {library}",
        )
    missing = missing_libraries(cls)
    if missing and class_name in _LIKE_EULER:
        return diffusers.EulerDiscreteScheduler, library
    if missing == ["torchvision"] and name == _TOKENIZER:
        return transformers.AutoTokenizer, library
    return cls, library


def _empty_component(
    description: ModelDescription, name: str, dtype: torch.dtype, folder: Path
) -> Any:
    """Return a component as its config describes it, without weights: a module on the meta
    device."""
    cls, library = _component_class(description, name)
    with _as_damaged_model(description.path), _default_dtype_restored():
        if not issubclass(cls, torch.nn.Module):
            return _from_folder(cls, library, folder / name)
        changes = _changed_config(description) if name == UNET else {}
        module = empty_module(cls, library, folder / name, **changes)
        return torch.nn.Module.to(module, "meta", dtype).eval()


def load_vae(description: ModelDescription, path: Path | None, dtype: torch.dtype) -> Any:
    """Load a VAE's file for a model; None = the model's own. Raises ModelDamagedError."""
    if path is not None:
        description = replace(description, part_files={**description.part_files, "vae": path})
    return load_component(description, "vae", dtype)


def _from_folder(cls: Any, library: str, place: Path, **options: Any) -> Any:
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {place.name}")
    if library == "transformers":
        options["trust_remote_code"] = False  # left open, it may ask on the terminal
        cls = without_video_processor(cls)
    # A relative path could be mistaken for a hub id.
    return cls.from_pretrained(place, local_files_only=True, **options)


def _module_from_folder(
    cls: type, library: str, place: Path, dtype: torch.dtype, quantize: Quantize
) -> tuple[torch.nn.Module, Collection[str]]:
    """Return a component and the names of tensors that are missing in its files, which the
    libraries would fill with random values."""
    converted = load_by_tensor(cls, library, place, dtype, quantize)
    if converted is not None:
        return converted, ()
    module, information = _from_folder(
        cls,
        library,
        place,
        dtype=dtype,
        variant=weight_variant(place),
        use_safetensors=True,
        output_loading_info=True,
    )
    return module, information["missing_keys"]


def _module_from_file(
    cls: Any, description: ModelDescription, name: str, folder: Path, dtype: torch.dtype
) -> tuple[torch.nn.Module, Collection[str]]:
    """Return a component and the names of tensors that are missing in the file."""
    source: dict[str, Any] = {"config": str(folder), "dtype": dtype, "local_files_only": True}
    if hasattr(cls, "from_single_file"):
        try:
            module = cls.from_single_file(str(description.path), subfolder=name, **source)
        except NotImplementedError as error:
            # Missing tensors are on the meta device and can't be moved.
            raise ValueError(f"{name} lacks tensors") from error
    else:
        module = create_diffusers_clip_model_from_ldm(
            cls,
            _text_encoder_tensors(description),
            subfolder=name,
            config=str(folder),
            torch_dtype=dtype,
            local_files_only=True,
        )
    return module, [name for name, tensor in module.state_dict().items() if tensor.is_meta]


def _changed_config(description: ModelDescription) -> dict[str, Any]:
    """Return what the UNet's config has to be besides the family's."""
    if not description.is_inpainting:
        return {}
    config = read_json(description.configs / "unet" / "config.json")
    return {"in_channels": 2 * int(config.get("out_channels", 4)) + 1}


def _text_encoder_tensors(description: ModelDescription) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint's text encoders, by the names that diffusers knows."""
    with safe_open(description.path, "pt") as file:
        return {
            _usual_name(name, description.family): file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118  # it isn't a mapping
            if name.startswith(("cond_stage_model.", "conditioner."))
        }


def _usual_name(name: str, family: str) -> str:
    """Return a tensor's usual name for those of SD Turbo, whose layout is that of SDXL, and of old
    trainers of SD 1.x."""
    if family == "sd2":
        name = name.replace("conditioner.embedders.0.model.", "cond_stage_model.model.", 1)
    clip = "cond_stage_model.transformer."
    if name.startswith(clip) and not name.startswith(f"{clip}text_model."):
        return name.replace(clip, f"{clip}text_model.", 1)
    return name


def _loaded_components(description: ModelDescription) -> Iterator[str]:
    for name in family_of(description).components(description):
        library, class_name = description.components[name]
        if library not in _LIBRARIES:
            raise UnsafeModelError(
                f"{description.path} asks for {library}.{class_name}, which is no part of "
                "diffusers or transformers",
                "Use a model that needs no remote code",
            )
        yield name


@contextmanager
def _folder_of(description: ModelDescription) -> Iterator[Path]:
    """Return the folder of a model's configs, which the libraries can read; for bundled ones with
    the shared tokenizer files added."""
    if not description.has_bundled_configs:
        with unmarked(description.configs) as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sdtui-") as name:
        folder = Path(name) / "configs"
        shutil.copytree(description.configs, folder)
        for tokenizer in folder.glob("tokenizer*"):
            for file in ("vocab.json", "merges.txt"):
                shutil.copyfile(CONFIGS / "tokenizer" / file, tokenizer / file)
        yield folder


@contextmanager
def _default_dtype_restored() -> Iterator[None]:
    """Restore torch's default dtype, which diffusers sets while it builds a model and doesn't
    restore if that fails: everything computed later in this process would be in that dtype."""
    before = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _as_damaged_model(path: Path) -> Iterator[None]:
    """Convert the libraries' errors about unusable files, which have no common class, to
    ModelDamagedError. Out-of-memory errors pass unchanged."""
    try:
        yield
    except SdtuiError:
        raise
    except ImportError as error:
        raise UnsupportedModelError(
            f"{path} can't be loaded: {one_line(str(error))[:300]}", "Install what it names"
        ) from error
    except Exception as error:
        if is_out_of_memory(error):
            raise
        _log.warning("%s can't be loaded", path, exc_info=error)
        lines = str(error).strip().splitlines()
        raise ModelDamagedError(
            f"{path} can't be loaded: {lines[0][:300] if lines else type(error).__name__}",
            "Download or copy the model again; the log has the whole error",
        ) from error
