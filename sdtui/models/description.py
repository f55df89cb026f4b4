"""What is known of a model before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdtui.core.enums import DType
from sdtui.models.component_files import CONFIGS
from sdtui.models.model_name import model_name
from sdtui.models.native import NativeValues
from sdtui.models.traits import Traits

SDXL_REFINER = "StableDiffusionXLImg2ImgPipeline"
"""The pipeline of SDXL's refiner, which has only the second text encoder."""

_STABLE_DIFFUSION = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "pocket": "pocket"}
"""Families that one class of pipelines has several of."""
_REPLACEABLE_VAES = ("AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderKLQwenImage")
"""Classes of VAEs that come as single files."""


@dataclass(frozen=True)
class ModelDescription:
    """What a model is, read from its configs and the headers of its weights."""

    path: Path
    family: str
    """"sd1", "sd2", "sdxl", "pocket" (SD 1.x with a tiny VAE), or the pipeline's class name."""
    pipeline_class: str
    parameters: Mapping[str, int]
    """Number of values in the weights of each component."""
    native: NativeValues
    hires_above: int | None = None
    """The side in pixels of the largest square that it draws well at once, if it says so: larger
    pictures, by area, begin smaller and are enlarged by hires fix."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What the model itself says that a training should take, by names of its fields."""
    in_blocks: Mapping[str, int] = field(default_factory=dict)
    """How many of a component's values can be quantized: those in matrices of repeated blocks; all
    where it isn't known."""
    stored: Mapping[str, int] = field(default_factory=dict)
    """Bytes of components that stay in the number format of their file."""
    single_file: bool = False
    """True for a checkpoint."""
    transformer_file: bool = False
    """True if `path` is a file with the denoiser alone; the other parts are in `configs`."""
    part_files: Mapping[str, Path] = field(default_factory=dict)
    """Other components that come from files of their own; their configs are in `configs`."""
    weight_format: str = ""
    """The number format of the denoiser's weights on disk: "Q4_K", "fp8", "bf16" …"""
    vae_factor: int = 8
    """Pixels per latent along one side."""
    tiny_vae: bool = False
    vae_overflows: bool = False
    """True if the VAE is for fp32 or bf16 only, as SDXL's own: its values overflow in fp16."""
    denoiser_channels: int = 320
    """Channels of a U-Net's first block, or the width of a transformer's hidden states."""
    is_inpainting: bool = False
    """True if the denoiser also takes a mask and the latents of a masked picture."""
    traits: Traits = field(default_factory=Traits)
    prediction_type: str | None = None
    """Set if it isn't that of the scheduler's config."""
    guessed_prediction: bool = False
    """True if nothing says what the prediction type is. The weights show it once they are
    loaded."""
    zero_terminal_snr: bool = False
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    """The config of the model's own scheduler; empty for checkpoints."""
    timestep_spacing: str | None = None
    """Set if the model needs another than that of its scheduler's config."""
    components: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Component → (library, class)."""
    configs: Path = Path()
    """The folder of the components' configs; for a single file one of sdtui's bundled ones."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return model_name(self.path)

    @property
    def completed_by(self) -> str | None:
        """The name of the model that the other parts of a transformer file come from."""
        return model_name(self.configs) if self.transformer_file else None

    @property
    def family_name(self) -> str:
        """The family for people, such as "SD 1.x" or "Flux.1"."""
        known = _STABLE_DIFFUSION.get(self.family) or self.traits.name
        return known or self.pipeline_class.removesuffix("Pipeline")

    @property
    def denoiser_parameters(self) -> int:
        """Number of values in the denoiser, by which models are known, or in the whole model."""
        found = sum(self.parameters.get(name, 0) for name in ("unet", "transformer"))
        return found or sum(self.parameters.values())

    @property
    def tokenizers(self) -> Path:
        """The folder of the tokenizers, or a file whose family has the usual one."""
        return self.configs if self.transformer_file and not self.has_bundled_configs else self.path

    @property
    def has_bundled_configs(self) -> bool:
        """True if the configs are part of sdtui. Their folders have no vocabularies."""
        return self.single_file or self.configs.parent == CONFIGS

    @property
    def is_stable_diffusion(self) -> bool:
        """True for families whose stages sdtui runs one by one (SD 1.x, 2.x and XL)."""
        return self.pipeline_class in (
            "StableDiffusionPipeline",
            "StableDiffusionXLPipeline",
            SDXL_REFINER,
        )

    @property
    def is_refiner(self) -> bool:
        """True for a model that takes the last steps of others and makes no pictures itself."""
        return self.pipeline_class == SDXL_REFINER

    @property
    def takes_vaes(self) -> bool:
        """True if its VAE can be replaced by another one's weights."""
        return self.components.get("vae", ("", ""))[1] in _REPLACEABLE_VAES

    def dtype_of(self, component: str, dtype: DType) -> DType:
        """Return the number format of a component in a run in `dtype`."""
        if dtype is DType.FLOAT16 and component == "vae" and self.vae_overflows:
            return DType.FLOAT32
        if dtype is DType.FLOAT16 and component == "text_encoder" and self.is_sana:
            return DType.BFLOAT16
        return dtype

    @property
    def is_sana(self) -> bool:
        """True for Sana, whose transformer alone computes in fp16: in diffusers' examples the text
        encoder (Gemma 2) is in bf16 and the VAE in fp32."""
        return self.pipeline_class.startswith("Sana")

    def uses_cfg(self, guidance_scale: float, true_cfg_scale: float | None = None) -> bool:
        """True if classifier-free guidance is active, which doubles the denoiser's batch."""
        return self.traits.guides(guidance_scale, true_cfg_scale)

    @property
    def size_multiple(self) -> int:
        """The number of pixels that width and height must be multiples of."""
        return self.vae_factor * self.traits.patch
