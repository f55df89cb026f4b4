"""Describe a model in a diffusers folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sdtui.models.checkpoint_file import quantized, takes_masks
from sdtui.models.component_files import (
    component_config,
    components_in,
    components_with_weights,
    index_file,
    read_json,
    weight_files,
)
from sdtui.models.description import SDXL_REFINER, ModelDescription
from sdtui.models.distilled import distilled_values
from sdtui.models.headers import read_header
from sdtui.models.model_name import model_name
from sdtui.models.native import family_values, with_own_values
from sdtui.models.own_values import read_own_values
from sdtui.models.part_files import PartFile
from sdtui.models.pipeline_traits import traits_of
from sdtui.models.text_to_image import STABLE_DIFFUSION, text_to_image_class
from sdtui.models.transformer_file import TransformerFile
from sdtui.models.transformer_kinds import TRANSFORMER
from sdtui.models.weights import WeightCount, count_weights

_UPCASTING = ("StableDiffusionXL", "Kolors", "AuraFlow", "Sana")
"""Beginnings of the names of pipelines that convert an fp16 VAE to fp32 if its config has
`force_upcast`, which is also its default, and of those whose VAE has no such value and needs fp32.
The others ignore it."""
_REMEMBERED = 64
"""Components whose weights aren't counted again: a model is described for every request."""


class _FileState(NamedTuple):
    """What differs once a file's content is another."""

    path: Path
    size: int = 0
    modified: int = 0
    """In nanoseconds."""
    inode: int = 0


def describe_folder(
    folder: Path,
    transformer: TransformerFile | None = None,
    parts: Mapping[str, PartFile] | None = None,
) -> ModelDescription:
    """Describe a diffusers folder, or the model that consists of the transformer in a file, parts
    in files of their own (by component), and the other parts in a folder.

    Raises ModelDamagedError, UnsafeModelError, UnsupportedModelError for pipelines that make no
    pictures from text, or an error of Python where a config has a value of an unexpected type.
    """
    index = read_json(index_file(folder))
    components = components_in(index)
    pipeline_class = text_to_image_class(str(folder), index)
    path = transformer.path if transformer else folder
    files: dict[str, TransformerFile | PartFile] = dict(parts or {})
    if transformer:
        files[transformer.kind.component] = transformer
    counts = _counted(folder, components, files)
    denoiser = component_config(folder, "unet") or component_config(folder, "transformer")
    vae = component_config(folder, "vae")
    tiny = vae.get("_class_name") == "AutoencoderTiny"
    factor = _vae_factor(vae, tiny)
    family = _family(pipeline_class, denoiser, tiny)
    scheduler = _scheduler_config(folder)
    distilled = distilled_values(
        model_name(path),
        denoiser,
        scheduler,
        family,
        is_distilled=index.get("is_distilled") is True,
    )
    traits = traits_of(pipeline_class, index, denoiser)
    values = family_values(pipeline_class, traits, distilled, scheduler)
    latents = denoiser.get("sample_size")
    side = latents * factor if isinstance(latents, int) else None
    own = read_own_values(path)
    return ModelDescription(
        path=path,
        family=family,
        pipeline_class=pipeline_class,
        parameters={name: count.total for name, count in counts.items()},
        in_blocks={name: count.in_blocks for name, count in counts.items()},
        native=with_own_values(own.native, values, side),
        hires_above=own.hires_above,
        training=own.training,
        prediction_type=own.prediction_type,
        zero_terminal_snr=bool(own.zero_terminal_snr),
        vae_factor=factor,
        tiny_vae=tiny,
        vae_overflows=pipeline_class.startswith(_UPCASTING)
        and not tiny
        and vae.get("force_upcast", True) is True,
        is_inpainting=pipeline_class in STABLE_DIFFUSION
        and takes_masks(folder, denoiser.get("in_channels", 4), denoiser.get("out_channels", 4)),
        denoiser_channels=_width(denoiser),
        traits=traits,
        scheduler=scheduler,
        timestep_spacing=distilled.timestep_spacing if distilled else None,
        stored={name: each.stored for name, each in files.items() if each.stored is not None},
        transformer_file=transformer is not None,
        part_files={name: each.path for name, each in (parts or {}).items()},
        weight_format=transformer.format if transformer else _format(counts),
        components=components,
        configs=folder,
    )


def _counted(
    folder: Path,
    components: Mapping[str, tuple[str, str]],
    files: Mapping[str, TransformerFile | PartFile],
) -> dict[str, WeightCount]:
    """Count the weights of each component, in its own file or in the folder. Raises
    UnsupportedModelError if the folder has quantized ones."""
    in_file = {name: each.count for name, each in files.items()}
    in_folder = {
        name: _count(tuple(map(_state, weight_files(folder / name))))
        for name in components_with_weights(folder, components, without=in_file)
    }
    if any("quantization_config" in component_config(folder, name) for name in in_folder):
        raise quantized(folder)
    return in_file | in_folder


@lru_cache(maxsize=_REMEMBERED)
def _count(files: tuple[_FileState, ...]) -> WeightCount:
    return count_weights(read_header(file.path) for file in files)


def _state(path: Path) -> _FileState:
    try:
        status = path.stat()
    except OSError:
        return _FileState(path)  # reading it says what is wrong
    return _FileState(path, status.st_size, status.st_mtime_ns, status.st_ino)


def _format(counts: Mapping[str, WeightCount]) -> str:
    """Return the number format of the denoiser's weights; "" if there is none."""
    return next((counts[name].format for name in ("unet", TRANSFORMER) if name in counts), "")


def _vae_factor(vae: Mapping[str, Any], tiny: bool) -> int:
    """Return how many pixels wide a latent is."""
    named = vae.get("scale_factor_spatial")
    if named:
        return int(named)
    blocks = (None if tiny else vae.get("block_out_channels")) or vae.get(
        "encoder_block_out_channels", [0] * 4
    )
    factor: int = 2 ** (len(blocks) - 1)
    return factor


def _width(denoiser: Mapping[str, Any]) -> int:
    """Return the channels of a U-Net's first block, or the width of a transformer's hidden
    states."""
    if "block_out_channels" in denoiser:
        return int(denoiser["block_out_channels"][0])
    for name in ("hidden_size", "dim", "model_dim"):
        if isinstance(denoiser.get(name), int):
            return int(denoiser[name])
    heads, of_each = denoiser.get("num_attention_heads"), denoiser.get("attention_head_dim")
    return heads * of_each if isinstance(heads, int) and isinstance(of_each, int) else 320


def _scheduler_config(folder: Path) -> dict[str, Any]:
    file = folder / "scheduler" / "scheduler_config.json"
    return read_json(file) if file.is_file() else {}


def _family(pipeline_class: str, denoiser: Mapping[str, Any], tiny: bool) -> str:
    if pipeline_class in ("StableDiffusionXLPipeline", SDXL_REFINER):
        return "sdxl"
    if pipeline_class == "StableDiffusionPipeline":
        if tiny:
            return "pocket"
        return "sd2" if denoiser.get("cross_attention_dim") == 1024 else "sd1"
    return pipeline_class
