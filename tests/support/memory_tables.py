"""The tables of estimated memory in the manual, from the sizes of published models.

    python -m tests.support.memory_tables

prints them anew.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.models import ModelDescription, NativeValues, describe_model, native_estimate
from sdtui.models.estimate import Estimate, estimate_run
from sdtui.models.pipeline_traits import traits_of
from sdtui.pocket import MODEL_FOLDER

_GIB = 2**30
_CLIP_L, _CLIP_G, _T5_XXL = 123_060_480, 694_659_840, 4_762_310_656
_GEMMA_2B, _QWEN3_4B = 2_614_341_888, 4_022_468_096
_KL_VAE = 83_819_683


@dataclass(frozen=True)
class PublishedModel:
    """A published model: numbers of values in its weights, from the headers of its files or its
    configs."""

    family: str
    pipeline: str
    denoiser: float
    encoders: tuple[float, ...]
    width: int
    """Channels of the first block, or width of the hidden states."""
    vae: float = _KL_VAE
    vae_factor: int = 8
    side: int = 1024
    config: Mapping[str, object] = field(default_factory=dict)
    """What of the denoiser's config changes its traits."""

    @property
    def description(self) -> ModelDescription:
        """What is known of the model."""
        denoiser = "unet" if self.pipeline.startswith("StableDiffusion") and not self.config else ""
        name = denoiser or "transformer"
        encoders = {f"text_encoder_{n}": int(each) for n, each in enumerate(self.encoders, 1)}
        traits = traits_of(self.pipeline, {name: []}, self.config)
        return ModelDescription(
            path=Path(),
            family=self.pipeline,
            pipeline_class=self.pipeline,
            parameters={name: int(self.denoiser), "vae": int(self.vae), **encoders},
            native=NativeValues(width=self.side, height=self.side),
            vae_factor=self.vae_factor,
            vae_overflows=self.family == "SDXL",
            denoiser_channels=self.width,
            traits=traits,
            components={name: ("diffusers", "")},
        )

    def estimate(
        self,
        dtype: DType = DType.BFLOAT16,
        quantize: Quantize = Quantize.NONE,
        side: int = 0,
        tile: int | None = None,
    ) -> Estimate:
        """Return the estimate for a picture of the native size, or of another."""
        side, description = side or self.side, self.description
        guidance = description.traits.guidance_scale
        is_guided = description.uses_cfg(math.inf if guidance is None else guidance)
        return estimate_run(
            description, dtype, side, side, guidance=is_guided, quantize=quantize, tile=tile
        )


SD15 = PublishedModel(
    "SD 1.5 (512×512)", "StableDiffusionPipeline", 859_520_964, (_CLIP_L,), 320, 83_653_863, 8, 512
)
SDXL = PublishedModel(
    "SDXL", "StableDiffusionXLPipeline", 2_567_463_684, (_CLIP_L, _CLIP_G), 320, 83_653_863
)
MODELS = (
    SD15,
    SDXL,
    PublishedModel(
        "SD 3.5 Large",
        "StableDiffusion3Pipeline",
        8_056_627_520,
        (_CLIP_L, _CLIP_G, _T5_XXL),
        2432,
        config={"qk_norm": "rms_norm"},
    ),
    PublishedModel("Flux.1", "FluxPipeline", 11_901_408_320, (_CLIP_L, _T5_XXL), 3072),
    PublishedModel("Flux.2 Klein 4B", "Flux2KleinPipeline", 3.88e9, (_QWEN3_4B,), 3072),
    PublishedModel("Flux.2 Klein 9B", "Flux2KleinPipeline", 9.08e9, (8_190_735_360,), 4096),
    PublishedModel("Flux.2 dev", "Flux2Pipeline", 32.2e9, (24.0e9,), 6144),
    PublishedModel("Z-Image", "ZImagePipeline", 6.15e9, (_QWEN3_4B,), 3840),
    PublishedModel(
        "Qwen-Image, Qwen-Image-Edit", "QwenImagePipeline", 20.43e9, (8.29e9,), 3072, 126_892_531
    ),
    PublishedModel("Krea 2", "Krea2Pipeline", 12.9e9, (4.44e9,), 6144, 126_892_531),
    PublishedModel("Chroma", "ChromaPipeline", 8.9e9, (_T5_XXL,), 3072),
)


def family_rows() -> list[str]:
    """Return the rows of the table of families in models.md."""
    return [_family_row(each) for each in MODELS]


def _family_row(model: PublishedModel) -> str:
    whole, fp8, nf4 = (
        model.estimate(quantize=each) for each in (Quantize.NONE, Quantize.FP8, Quantize.NF4)
    )
    sizes = f"{_billions(model.denoiser)}, {_billions(sum(model.encoders))}"
    peaks = [
        whole.peaks[MemoryMode.FULL],
        whole.peaks[MemoryMode.MODEL_OFFLOAD],
        whole.peaks[MemoryMode.GROUP_OFFLOAD],
        whole.peaks[MemoryMode.PARTS],
        *(each.peaks[MemoryMode.MODEL_OFFLOAD] for each in (fp8, nf4)),
    ]
    return _row((model.family, sizes, *map(_gib, peaks)))


def stable_diffusion_rows() -> list[str]:
    """Return the rows of Stable Diffusion's sizes in memory.md."""
    pocket = native_estimate(describe_model(MODEL_FOLDER), DType.FLOAT16)
    wanted = (
        ("pocket, 128 px", pocket),
        ("SD 1.5, 512 px", SD15.estimate(DType.FLOAT16)),
        ("SD 1.5, 768 px", SD15.estimate(DType.FLOAT16, side=768)),
        ("SDXL, 1024 px", SDXL.estimate(DType.FLOAT16)),
        ("SDXL, 1024 px, tiled decode", SDXL.estimate(DType.FLOAT16, tile=512)),
    )
    modes = (MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD, MemoryMode.GROUP_OFFLOAD, MemoryMode.PARTS)
    return [_row((name, *(_gib(found.peaks[each]) for each in modes))) for name, found in wanted]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _billions(count: float) -> str:
    return f"{count / 1e9:.1f} B" if count < 20e9 else f"{count / 1e9:.0f} B"


def _gib(count: int) -> str:
    """Two digits, since it is an estimate."""
    gib = count / _GIB
    if gib < 0.1:
        return f"{gib:.2f}"
    return f"{gib:.1f}" if gib < 9.95 else f"{float(f'{gib:.2g}'):.0f}"


if __name__ == "__main__":
    sys.stdout.write("\n".join((*family_rows(), "", *stable_diffusion_rows(), "")))
