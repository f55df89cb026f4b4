"""A trained LoRA shows in the pocket model's pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from tests.support.images import difference
from tests.support.train_pocket_lora import POCKET_LORA


def _colour(picture: Image.Image) -> float:
    """Return how far the channels of a picture are apart on average, 0 to 255."""
    pixels = np.asarray(picture, dtype=float)
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())


def test_trained_lora_takes_the_colour_away_as_far_as_its_weight() -> None:
    settings = Settings(device="cpu", lora_folders=(POCKET_LORA.parent,))
    name = POCKET_LORA.stem

    def picture(weight: float | None) -> Image.Image:
        loras = () if weight is None else (f"{name}:{weight}",)
        values = {"prompt": "a red apple on a blue background", "seed": 3, "loras": loras}
        request = GenerationRequest.parse({**values, "num_inference_steps": 8})
        return generate(engine, request).images[0]

    with StableDiffusionEngine(settings) as engine:
        plain, whole, half = picture(None), picture(1), picture(0.5)
        assert difference(plain, picture(0)) == 0
    assert _colour(whole) < _colour(half) < _colour(plain)
    assert _colour(whole) < 0.6 * _colour(plain)
