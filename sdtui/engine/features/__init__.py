"""Features of a request, each in its own module and registered here."""

from __future__ import annotations

from typing import Any

from sdtui.core.settings import Settings
from sdtui.engine.features.clip_skip import ClipSkip
from sdtui.engine.features.control import Control
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.guidance import Guidance
from sdtui.engine.features.hires import HiresFix
from sdtui.engine.features.image_to_image import ImageToImage
from sdtui.engine.features.inpainting import Inpainting
from sdtui.engine.features.inpainting_channels import InpaintingChannels
from sdtui.engine.features.ip_adapter import IPAdapterFeature
from sdtui.engine.features.lora import Lora
from sdtui.engine.features.prompt_syntax import PromptSyntax
from sdtui.engine.features.redraw import TiledRedraw
from sdtui.engine.features.references import References
from sdtui.engine.features.refiner import Refiner
from sdtui.engine.features.textual_inversion import TextualInversion
from sdtui.engine.features.tiling import Tiling
from sdtui.engine.features.upscaling import Upscaling
from sdtui.engine.features.vae import VaeChoice
from sdtui.engine.upscaling.upscalers import Upscalers


def features_for(
    settings: Settings, upscalers: Upscalers | None = None
) -> tuple[Feature[Any], ...]:
    """Return all features, in the order in which their hooks are called. `upscalers` are the
    engine's."""
    upscalers = upscalers or Upscalers(settings)
    return (
        Guidance(),  # first: the hooks of the others see the batch that it leaves
        Lora(settings),
        PromptSyntax(),
        ClipSkip(),
        TextualInversion(settings),
        ImageToImage(),
        References(),
        Inpainting(),
        HiresFix(upscalers),
        Refiner(),  # after hires, of whose pass it takes the last steps
        Control(settings),
        IPAdapterFeature(settings),
        InpaintingChannels(),  # later: the hooks of the others see the latents alone
        VaeChoice(settings),
        Tiling(),
        Upscaling(upscalers),  # after all that changes a decoded picture
        TiledRedraw(),
    )
