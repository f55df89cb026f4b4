"""What a model is — family, size of its parts, native values — read from its configs and the
headers of its weights, before anything is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdtui.core.errors import (
    InvalidRequestError,
    ModelDamagedError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.samplers import DEFAULT_SAMPLER
from sdtui.models.distilled import Distilled, distilled_values, model_name
from sdtui.models.headers import Header, read_header
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.validation import validate_fields

CONFIGS = Path(__file__).parent / "configs"
"""Component configs of the families whose single files sdtui loads, so that it needs no network."""

NATIVE_FILE = "sdtui.json"
"""A model folder may bring its native values in a file of this name (see `NativeValues`)."""

UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that Stable Diffusion pipelines can do without and that sdtui doesn't use."""

WEIGHTS = ".safetensors"
_OLD_WEIGHTS = (".bin", ".ckpt", ".pt", ".msgpack", ".h5")


@dataclass(frozen=True)
class NativeValues:
    """What a model works best with. None = what its pipeline takes when it is told nothing."""

    width: int | None = None
    height: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None


@dataclass(frozen=True)
class ModelDescription:
    """A model, before it is loaded."""

    path: Path
    family: str
    """"sd1", "sd2", "sdxl", "pocket" (SD 1.x with a tiny VAE), or the pipeline's class name."""
    pipeline_class: str
    parameters: Mapping[str, int]
    """Number of values in the weights of each component."""
    native: NativeValues
    single_file: bool = False
    vae_factor: int = 8
    """Pixels to a latent, along one side."""
    tiny_vae: bool = False
    denoiser_channels: int = 320
    """Channels of the denoiser's first block."""
    prediction_type: str | None = None
    """Set where the weights tell it and the config that is used does not."""
    zero_terminal_snr: bool = False
    timestep_spacing: str | None = None
    """Set where the model needs another than its scheduler's config says."""
    components: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Component → (library, class)."""
    configs: Path = Path()
    """The folder with the components' configs: the model's own, or for a single file the one that
    sdtui brings for its family."""

    @property
    def is_stable_diffusion(self) -> bool:
        """Whether it is of a family whose stages sdtui runs one by one."""
        return self.pipeline_class in ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


def describe_model(path: Path) -> ModelDescription:
    """Describe the model in a diffusers folder or a single .safetensors file.

    Raises ModelDamagedError, UnsafeModelError (weights only as pickles, or code in the folder)
    or UnsupportedModelError.
    """
    if not path.is_dir():
        return _describe_file(path)
    try:
        return _describe_folder(path)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelDamagedError(
            f"a config in {path} holds a wrong value: {error}", "Download or copy the model again"
        ) from error


def describe_components(folder: Path) -> Mapping[str, tuple[str, str]]:
    """The components that a folder's model_index.json names: name → (library, class)."""
    return _components_in(read_json(folder / "model_index.json"))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model's file. Raises ModelDamagedError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _damaged(path, "it is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no JSON object")
    return value


def _damaged(path: Path, problem: str) -> ModelDamagedError:
    return ModelDamagedError(f"{path} can't be used: {problem}", "Download or copy the model again")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of one component: the plain ones if there are any, else those of the
    fp16 variant. Empty if there are none."""
    files = sorted(folder.glob(f"*{WEIGHTS}"))
    plain = [file for file in files if ".fp16" not in file.name and ".non_ema" not in file.name]
    return plain or [file for file in files if ".fp16" in file.name]


def weight_variant(place: Path) -> str | None:
    """ "fp16" if a component's folder has its weights in that variant alone."""
    files = weight_files(place)
    return "fp16" if files and all(".fp16" in file.name for file in files) else None


def _describe_folder(folder: Path) -> ModelDescription:
    index = read_json(folder / "model_index.json")
    components = _components_in(index)
    pipeline_class = str(index.get("_class_name", ""))
    parameters = {
        name: _component_parameters(folder / name)
        for name in components
        if name not in UNUSED and _has_weights(folder, name)
    }
    denoiser = _config(folder, "unet") or _config(folder, "transformer")
    vae = _config(folder, "vae")
    tiny = vae.get("_class_name") == "AutoencoderTiny"
    blocks = vae.get("encoder_block_out_channels" if tiny else "block_out_channels") or [0] * 4
    factor = 2 ** (len(blocks) - 1)
    family = _family(pipeline_class, denoiser, tiny)
    scheduler_file = folder / "scheduler" / "scheduler_config.json"
    scheduler = read_json(scheduler_file) if scheduler_file.is_file() else {}
    distilled = distilled_values(model_name(folder), denoiser, scheduler, family)
    return ModelDescription(
        path=folder,
        family=family,
        pipeline_class=pipeline_class,
        parameters=parameters,
        native=_native_of_folder(folder, _base_values(pipeline_class, distilled), denoiser, factor),
        vae_factor=factor,
        tiny_vae=tiny,
        denoiser_channels=int((denoiser.get("block_out_channels") or [320])[0]),
        timestep_spacing=distilled.timestep_spacing if distilled else None,
        components=components,
        configs=folder,
    )


def _components_in(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        name: (str(value[0]), str(value[1]))
        for name, value in index.items()
        if isinstance(value, list)
        and len(value) == 2
        and value[0] is not None
        and name.isidentifier()
    }


def _family(pipeline_class: str, denoiser: Mapping[str, Any], tiny: bool) -> str:
    if pipeline_class == "StableDiffusionXLPipeline":
        return "sdxl"
    if pipeline_class == "StableDiffusionPipeline":
        if tiny:
            return "pocket"
        return "sd2" if denoiser.get("cross_attention_dim") == 1024 else "sd1"
    return pipeline_class


def _native_of_folder(
    folder: Path, base: NativeValues, denoiser: Mapping[str, Any], factor: int
) -> NativeValues:
    native = folder / NATIVE_FILE
    own = _own_values(native) if native.is_file() else {}
    side = denoiser.get("sample_size")
    size = int(side) * factor if isinstance(side, int) else None
    return NativeValues(
        width=own.get("width", size),
        height=own.get("height", size),
        num_inference_steps=own.get("num_inference_steps", base.num_inference_steps),
        guidance_scale=own.get("guidance_scale", base.guidance_scale),
        sampler=own.get("sampler", base.sampler),
    )


def _own_values(file: Path) -> dict[str, Any]:
    """The values in a model's own file, within the limits of a request."""
    values = read_json(file)
    try:
        return validate_fields(REQUEST_FIELDS, values)
    except InvalidRequestError as error:
        problem = f"{file} can't be used: {error}"
        raise ModelDamagedError(problem, "Correct the file or remove it") from error


_NATIVE = {
    # Steps: DPM++ 2M Karras has converged by then. Guidance: diffusers' own defaults.
    "StableDiffusionPipeline": NativeValues(None, None, 25, 7.5, DEFAULT_SAMPLER),
    "StableDiffusionXLPipeline": NativeValues(None, None, 25, 5.0, DEFAULT_SAMPLER),
}


def _base_values(pipeline_class: str, distilled: Distilled | None) -> NativeValues:
    """Steps, guidance and sampler of a family, or of a model that was distilled to few steps."""
    if distilled is None:
        return _NATIVE.get(pipeline_class, NativeValues())
    return NativeValues(
        num_inference_steps=distilled.num_inference_steps,
        guidance_scale=distilled.guidance_scale,
        sampler=distilled.sampler,
    )


def _config(folder: Path, component: str) -> dict[str, Any]:
    path = folder / component / "config.json"
    return read_json(path) if path.is_file() else {}


def _has_weights(folder: Path, component: str) -> bool:
    """Whether a component has weights at all (tokenizers and schedulers have none)."""
    place = folder / component
    if any(place.glob("*.py")):
        raise UnsafeModelError(
            f"{place} brings Python code of its own, which sdtui never runs",
            "Use a model that needs no remote code",
        )
    if not (place / "config.json").is_file() and not weight_files(place):
        return False
    if weight_files(place):
        return True
    if any(file.suffix in _OLD_WEIGHTS for file in place.iterdir()):
        raise UnsafeModelError(
            f"{place} has its weights only as a pickle file, which could run any code when loaded",
            "Get a version of this model with .safetensors files",
        )
    raise ModelDamagedError(f"{place} has no weights", "Download or copy the model again")


def _component_parameters(folder: Path) -> int:
    return sum(read_header(file).elements() for file in weight_files(folder))


# A single file's family shows in the names and shapes of its tensors (the same ones that
# diffusers looks at in loaders/single_file_utils.py).
_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
_CROSS_ATTENTION = "model.diffusion_model.input_blocks.{}.1.transformer_blocks.0.attn2.to_k.weight"
_FAMILY_OF_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_PARTS = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.",),
    "text_encoder": ("cond_stage_model.", "conditioner."),
}


def _describe_file(path: Path) -> ModelDescription:
    header = read_header(path)
    family = _family_of_file(path, header)
    native_size = 512 if family == "sd1" else 1024
    prediction_type = _prediction_type(path, header, family)
    if family == "sd2":
        native_size = 512 if prediction_type == "epsilon" else 768
    xl = family == "sdxl"
    pipeline_class = "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline"
    distilled = distilled_values(model_name(path), {}, {}, family)
    base = _base_values(pipeline_class, distilled)
    return ModelDescription(
        path=path,
        family=family,
        pipeline_class=pipeline_class,
        parameters={part: header.elements(*prefixes) for part, prefixes in _PARTS.items()},
        native=NativeValues(
            native_size, native_size, base.num_inference_steps, base.guidance_scale, base.sampler
        ),
        single_file=True,
        prediction_type=prediction_type,
        zero_terminal_snr="ztsnr" in header.tensors,
        timestep_spacing=distilled.timestep_spacing if distilled else None,
        components=describe_components(CONFIGS / family),
        configs=CONFIGS / family,
    )


def _family_of_file(path: Path, header: Header) -> str:
    first = header.tensors.get(_INPUT)
    if first is None:
        raise UnsupportedModelError(
            f"{path} holds no Stable Diffusion 1.x, 2.x or XL checkpoint (perhaps a LoRA, a VAE or "
            "another kind of model)",
            "Give a whole checkpoint, or a diffusers folder",
        )
    if len(first.shape) < 2 or first.shape[1] != 4:
        raise UnsupportedModelError(
            f"{path} is a checkpoint for inpainting or editing, not for text-to-image",
            "Give a text-to-image checkpoint",
        )
    for block in (1, 4):
        keys = header.tensors.get(_CROSS_ATTENTION.format(block))
        width = keys.shape[-1] if keys and keys.shape else None
        if width in _FAMILY_OF_WIDTH:
            return _FAMILY_OF_WIDTH[width]
    raise UnsupportedModelError(
        f"{path} is a checkpoint of an unknown kind (the SDXL refiner is one)",
        "Give a text-to-image checkpoint of SD 1.x, 2.x or XL",
    )


def _prediction_type(path: Path, header: Header, family: str) -> str | None:
    """ "v_prediction" or "epsilon" where the file tells, None where the family's config holds.

    Told by the marker tensors that trainers add (`v_pred`), by ModelSpec metadata, or by the
    .yaml that lies beside checkpoints of SD 2.x. The official 512-px SD 2.x files carry none of
    these; their names tell.
    """
    if "v_pred" in header.tensors:
        return "v_prediction"
    named = header.metadata.get("modelspec.prediction_type", "")
    if named:
        return "v_prediction" if named.startswith("v") else "epsilon"
    sidecar = path.with_suffix(".yaml")
    if sidecar.is_file():
        text = sidecar.read_text(encoding="utf-8", errors="replace")
        is_v = re.search(r"parameterization:\s*[\"']?v\b", text)
        return "v_prediction" if is_v else "epsilon"
    if family == "sd2":
        return "epsilon" if re.search(r"512|base", path.stem) else "v_prediction"
    return None
