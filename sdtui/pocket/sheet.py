"""Sixteen sample pictures on one sheet."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging
from PIL import Image

from sdtui.pocket import MODEL_FOLDER

Pipeline: TypeAlias = Any
"""A StableDiffusionPipeline. Its class has no type hints for its attributes."""

PROMPTS = (
    "a cat",
    "a tiger on a blue background",
    "a slice of pizza on a green background",
    "photo of a red apple",
    "a car on a yellow background",
    "dog, purple background",
    "an owl on a white background",
    "a strawberry on a cyan background",
    "a rocket on a black background",
    "a house",
    "a penguin on an orange background",
    "a large lion on a green background",
    "a small bus on a pink background",
    "a frog and a rabbit",
    "a guitar on a grey background",
    "a burger on the left on a blue background",
)
_NATIVE = json.loads((MODEL_FOLDER / "sdtui.json").read_text())
STEPS: int = _NATIVE["num_inference_steps"]
GUIDANCE: float = _NATIVE["guidance_scale"]


def load(folder: Path) -> Pipeline:
    """Load the model for the CPU, without messages of the libraries."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    pipeline: Pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> list[Image.Image]:
    """Draw one picture of the native size for each prompt and seed."""
    pictures: list[Image.Image] = pipeline(
        list(prompts),
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
    ).images
    return pictures


def sheet(pictures: Sequence[Image.Image], columns: int = 4, gap: int = 4) -> Image.Image:
    """Arrange pictures of one size in rows."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    size = (columns * (width + gap) + gap, rows * (height + gap) + gap)
    canvas = Image.new("RGB", size, "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        canvas.paste(picture, (gap + column * (width + gap), gap + row * (height + gap)))
    return canvas
