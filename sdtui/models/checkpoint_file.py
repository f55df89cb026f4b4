"""Describe a model in a single .safetensors file (the original layout of SD 1.x, 2.x and XL)."""

from __future__ import annotations

import re
from pathlib import Path

from sdtui.core.errors import UnsafeModelError, UnsupportedModelError
from sdtui.core.text_files import decode_text
from sdtui.models.component_files import CONFIGS, describe_components
from sdtui.models.description import SDXL_REFINER, ModelDescription
from sdtui.models.distilled import Distilled, distilled_values
from sdtui.models.gguf_header import GGUF
from sdtui.models.headers import Header, read_header
from sdtui.models.model_name import model_name
from sdtui.models.native import family_values, with_own_values
from sdtui.models.other_files import recognised_tensors
from sdtui.models.own_values import read_own_values
from sdtui.models.pipeline_traits import traits_of
from sdtui.models.weights import count_weights

PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
"""Suffixes of files that can run code when they are loaded."""

# The family is recognised by the names and shapes of tensors, the same ones that diffusers uses in
# loaders/single_file_utils.py.
_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
_CROSS_ATTENTION = "model.diffusion_model.input_blocks.{}.1.transformer_blocks.0.attn2.to_k.weight"
_KIND_OF_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
"""The folder of the bundled configs, by the width of the prompt's embeddings."""
_LATENT_CHANNELS = 4
_PARTS = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.",),
    "text_encoder": ("cond_stage_model.", "conditioner."),
}
_PART_NAMES = {"unet": "U-Net", "vae": "VAE", "text_encoder": "text encoder"}
_EDM = frozenset({"edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min"})
"""Marker tensors of Playground 2.5 and of CosXL."""
_QUANTIZED = re.compile(
    r"\.(absmax|quant_map|quant_state\.\w+|SCB|qweight|qzeros|comfy_quant)$"
    r"|\.(scale_weight|weight_scale|scale_input|input_scale)$|(^|\.)scaled_fp8$"
)
"""Tensors that go with weights in bitsandbytes' formats, of GPTQ, or in scaled fp8."""
_OFFICIAL_SD2 = re.compile(r"(?:v2-1_)?(512|768)-(?:base-|v-)?(?:non)?ema(?:-pruned)?")
_SQUARE = re.compile(r"(\d+)x\1")


def check_file_kind(path: Path) -> None:
    """Raise UnsafeModelError for a pickle file, which may be missing, and UnsupportedModelError for
    a file of another kind than .safetensors or .gguf."""
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise UnsafeModelError(
            f"{path} is a pickle file: loading it could run any code",
            "Get the .safetensors version of this model, or convert it",
        )
    if suffix not in (".safetensors", GGUF):
        raise UnsupportedModelError(
            f"{path} is not a model that sdtui can load",
            "Give a diffusers folder, a .safetensors file or a .gguf file",
        )


def describe_checkpoint(path: Path, shown_prediction: str | None = None) -> ModelDescription:
    """Describe a checkpoint. `shown_prediction` is the prediction type that its weights show, if
    they are loaded. Raises ModelDamagedError, UnsafeModelError or UnsupportedModelError."""
    if path.suffix.lower() == GGUF:
        raise UnsupportedModelError(
            f"{path} holds no transformer of a family that sdtui knows; it may be a language model",
            "Give a GGUF file of FLUX, Z-Image, Qwen-Image, SD 3.5 or the like",
        )
    header = read_header(path)
    kind = _kind(path, header)
    is_refiner = kind == "sdxl_refiner"
    family = "sdxl" if is_refiner else kind
    _check_whole(path, header)
    own = read_own_values(path)
    is_inpainting = header.tensors[_INPUT].shape[1] != _LATENT_CHANNELS
    marked = own.prediction_type or _prediction_type(path, header, family)
    if is_inpainting and family == "sd2":  # those of Stability AI, and A1111's choice
        marked = marked or "epsilon"
    is_guessed = family == "sd2" and marked is None
    # Most are v-prediction.
    prediction_type = (shown_prediction or "v_prediction") if is_guessed else marked
    is_xl = family == "sdxl"
    pipeline_class = "StableDiffusionXLPipeline" if is_xl else "StableDiffusionPipeline"
    pipeline_class = SDXL_REFINER if is_refiner else pipeline_class
    distilled = distilled_values(_names(path, header, family), {}, {}, family)
    traits = traits_of(pipeline_class)
    base = family_values(pipeline_class, traits, distilled, {})
    native_size = _native_size(header, family, prediction_type, distilled)
    return ModelDescription(
        path=path,
        family=family,
        pipeline_class=pipeline_class,
        parameters={part: header.elements(*prefixes) for part, prefixes in _PARTS.items()},
        native=with_own_values(own.native, base, native_size),
        hires_above=own.hires_above,
        training=own.training,
        single_file=True,
        weight_format=count_weights([header]).format,
        is_inpainting=is_inpainting,
        vae_overflows=is_xl,
        traits=traits,
        prediction_type=prediction_type,
        guessed_prediction=is_guessed,
        zero_terminal_snr="ztsnr" in header.tensors
        if own.zero_terminal_snr is None
        else own.zero_terminal_snr,
        timestep_spacing=distilled.timestep_spacing if distilled else None,
        components=describe_components(CONFIGS / kind),
        configs=CONFIGS / kind,
    )


def _kind(path: Path, header: Header) -> str:
    """Return the folder of the bundled configs that a checkpoint belongs to."""
    first = header.tensors.get(_INPUT)
    if first is None:
        kind = recognised_tensors(header.tensors)
        kind = kind or "perhaps a LoRA, a VAE or something else"
        raise UnsupportedModelError(
            f"{path} holds no Stable Diffusion 1.x, 2.x or XL checkpoint, but another kind of "
            f"file: {kind}",
            "Give a whole checkpoint, or a diffusers folder",
        )
    takes_masks(path, first.shape[1] if len(first.shape) > 1 else 0, _LATENT_CHANNELS)
    for block in (1, 4):
        keys = header.tensors.get(_CROSS_ATTENTION.format(block))
        width = keys.shape[-1] if keys and keys.shape else None
        if width in _KIND_OF_WIDTH:
            return _KIND_OF_WIDTH[width]
    raise UnsupportedModelError(
        f"{path} is a checkpoint of an unknown kind",
        "Give a text-to-image checkpoint of SD 1.x, 2.x or XL",
    )


def takes_masks(path: Path, channels: int, latent_channels: int) -> bool:
    """Return True if a denoiser of Stable Diffusion that takes so many channels is for inpainting:
    besides latents it takes a mask and the latents of the masked picture.

    Raises UnsupportedModelError for one that takes something else.
    """
    if channels in (latent_channels, 2 * latent_channels + 1):
        return channels != latent_channels
    raise UnsupportedModelError(
        f"{path} is a model for editing, depth or the like, not for text-to-image: its denoiser "
        f"takes {channels} channels",
        "Give a text-to-image or inpainting model",
    )


def _check_whole(path: Path, header: Header) -> None:
    """Raise UnsupportedModelError for checkpoints that lack a part, or whose tensors don't say how
    they are sampled."""
    for part, prefixes in _PARTS.items():
        if not header.elements(*prefixes):
            raise UnsupportedModelError(
                f"{path} is a checkpoint without a {_PART_NAMES[part]}",
                "Give a whole checkpoint, or a diffusers folder",
            )
    if any(map(_QUANTIZED.search, header.tensors)):
        raise quantized(path)
    if _EDM & header.tensors.keys():
        raise UnsupportedModelError(
            f"{path} is a checkpoint of the EDM kind, which a single file doesn't describe fully",
            "Give the diffusers folder or the hub id of this model",
        )


def quantized(path: Path) -> UnsupportedModelError:
    """The error for a model whose weights only another library can read."""
    return UnsupportedModelError(
        f"{path} has quantized weights, which sdtui can't read yet",
        "Get this model in fp16, bf16 or fp32 and use --quantize, or get its transformer as GGUF",
    )


def _names(path: Path, header: Header, family: str) -> str:
    """Return what may name a distilled model: the file, and the title in its metadata."""
    if family == "sd2" and _has_sdxl_layout(header):
        return "sd-turbo"
    return f"{model_name(path)} {header.metadata.get('modelspec.title', '')}"


def _has_sdxl_layout(header: Header) -> bool:
    """True if the text encoder is named as in SDXL; of SD 2.x models only SD Turbo is made so."""
    return any(name.startswith("conditioner.") for name in header.tensors)


def _native_size(
    header: Header, family: str, prediction_type: str | None, distilled: Distilled | None
) -> int:
    """Return the side in pixels: that of the distilled model, that in the metadata if it is
    square, else the family's."""
    if distilled and distilled.size:
        return distilled.size
    declared = _SQUARE.fullmatch(header.metadata.get("modelspec.resolution", ""))
    if declared and int(declared[1]) in (512, 768, 1024):
        return int(declared[1])
    if family == "sd2":
        return 512 if prediction_type == "epsilon" else 768
    return 512 if family == "sd1" else 1024


def _prediction_type(path: Path, header: Header, family: str) -> str | None:
    """ "v_prediction" or "epsilon"; None if nothing says it.

    Sources: marker tensors of trainers (`v_pred`), the layout of SD Turbo, ModelSpec metadata, the
    .yaml file that comes with SD 2.x checkpoints, and the names of the official files of SD 2.x,
    which have none of these.
    """
    if "v_pred" in header.tensors:
        return "v_prediction"
    if family == "sd2" and _has_sdxl_layout(header):
        return "epsilon"
    declared = header.metadata.get("modelspec.prediction_type", "")
    if declared:
        return "v_prediction" if declared.startswith("v") else "epsilon"
    sidecar = path.with_suffix(".yaml")
    if sidecar.is_file():
        text = decode_text(sidecar.read_bytes(), errors="replace")
        is_v = re.search(r"parameterization:\s*[\"']?v\b", text)
        return "v_prediction" if is_v else "epsilon"
    official = _OFFICIAL_SD2.fullmatch(path.stem) if family == "sd2" else None
    if official is None:
        return None
    return "epsilon" if official[1] == "512" else "v_prediction"
