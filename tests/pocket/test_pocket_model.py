"""The shipped pocket model: a few fixed prompts with wide margins, and every way to misuse it."""

import json
import subprocess
import sys
from pathlib import Path

import diffusers
import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import (
    AutoPipelineForImage2Image,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)
from PIL import Image

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.sheet import GUIDANCE, Pipeline

pytestmark = pytest.mark.slow

OBJECTS = (
    "cat",
    "tiger",
    "frog",
    "pig",
    "panda",
    "apple",
    "strawberry",
    "pizza",
    "car",
    "bus",
    "banana",
    "house",
)
COLOURS = {
    "red": (214, 48, 49),
    "yellow": (250, 214, 70),
    "green": (66, 160, 71),
    "blue": (45, 95, 215),
    "black": (18, 18, 22),
    "white": (255, 255, 255),
}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    loaded: Pipeline = StableDiffusionPipeline.from_pretrained(MODEL_FOLDER, dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def draw(
    pipeline: Pipeline, prompts: list[str], steps: int = 12, size: int = 128
) -> list[Image.Image]:
    drawn: list[Image.Image] = pipeline(
        prompts,
        num_inference_steps=steps,
        guidance_scale=GUIDANCE,
        width=size,
        height=size,
        generator=[torch.Generator().manual_seed(seed) for seed in range(len(prompts))],
    ).images
    return drawn


def values(picture: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(picture, dtype=np.float64)


def rim(picture: Image.Image) -> npt.NDArray[np.float64]:
    """The middle value of the outermost pixels, RGB in 0…255."""
    array = values(picture)
    edges = (array[:2], array[-2:], array[:, :2], array[:, -2:])
    middle: npt.NDArray[np.float64] = np.median(
        np.concatenate([edge.reshape(-1, 3) for edge in edges]), axis=0
    )
    return middle


def test_backgrounds_have_the_named_colour(pipeline: Pipeline) -> None:
    prompts = [f"a cat on a {colour} background" for colour in COLOURS]
    for colour, picture in zip(COLOURS, draw(pipeline, prompts, steps=6), strict=True):
        distances = {name: np.abs(rim(picture) - named).sum() for name, named in COLOURS.items()}
        assert min(distances, key=distances.__getitem__) == colour


def test_drawn_objects_are_recognised(pipeline: Pipeline) -> None:
    strip = Image.open(Path(__file__).parent / "objects-on-blue.png").convert("RGB")
    wanted = [values(strip.crop((32 * i, 0, 32 * i + 32, 32))) for i in range(len(OBJECTS))]
    pictures = draw(pipeline, [f"a {name} on a blue background" for name in OBJECTS], steps=6)
    found = []
    for picture in pictures:
        small = values(picture.resize((32, 32), Image.Resampling.BOX))
        found.append(OBJECTS[int(np.argmin([np.square(small - w).mean() for w in wanted]))])
    right = sum(name == seen for name, seen in zip(OBJECTS, found, strict=True))
    assert right >= 9, found


def test_the_same_seed_gives_the_same_picture(pipeline: Pipeline) -> None:
    first, second = (draw(pipeline, ["a dog"], steps=4)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("size", [64, 96, 192, 256])
def test_every_size_keeps_the_background_colour(pipeline: Pipeline, size: int) -> None:
    (picture,) = draw(pipeline, ["a cat on a green background"], steps=3, size=size)
    assert picture.size == (size, size)
    red, green, blue = rim(picture)
    assert green > max(red, blue)


def test_image_to_image_keeps_the_colour(pipeline: Pipeline) -> None:
    image_to_image = AutoPipelineForImage2Image.from_pipe(pipeline)
    image_to_image.set_progress_bar_config(disable=True)
    start = Image.new("RGB", (128, 128), COLOURS["red"])
    (picture,) = image_to_image(
        "a cat on a red background",
        image=start,
        strength=0.6,
        num_inference_steps=10,
        generator=torch.Generator().manual_seed(0),
    ).images
    assert picture.size == (128, 128)
    assert np.abs(rim(picture) - COLOURS["red"]).max() < 60


@pytest.mark.parametrize(
    ("scheduler", "options"),
    [
        (EulerDiscreteScheduler, {}),
        (EulerAncestralDiscreteScheduler, {}),
        (DPMSolverMultistepScheduler, {}),
        (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
        (UniPCMultistepScheduler, {}),
    ],
)
def test_every_scheduler_keeps_the_background_colour(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    scheduler: type[EulerDiscreteScheduler],
    options: dict[str, bool],
) -> None:
    other = scheduler.from_config(pipeline.scheduler.config, **options)
    monkeypatch.setattr(pipeline, "scheduler", other)
    (picture,) = draw(pipeline, ["a frog on a blue background"], steps=6)
    red, green, blue = rim(picture)
    assert blue > 120
    assert blue > max(red, green) + 40


@pytest.mark.parametrize(
    "prompt",
    ["", "😀🐯", "一只在蓝色背景上的猫", "zxqv grumbling ßøž", "a cat and a dog " * 50],
)
def test_every_prompt_gives_a_picture(pipeline: Pipeline, prompt: str) -> None:
    (picture,) = draw(pipeline, [prompt], steps=2)
    assert picture.size == (128, 128)


def test_tokenizer_works_like_that_of_clip(pipeline: Pipeline) -> None:
    tokenizer = pipeline.tokenizer
    short = tokenizer("a cat", padding="max_length", truncation=True).input_ids
    assert len(short) == tokenizer.model_max_length == 77
    assert short[0] == tokenizer.bos_token_id == len(tokenizer) - 2
    assert set(short[3:]) == {tokenizer.eos_token_id} == {len(tokenizer) - 1}
    long = tokenizer("a cat " * 100, truncation=True).input_ids
    assert len(long) == 77
    assert long[-1] == tokenizer.eos_token_id


def test_folder_is_small_and_declares_itself() -> None:
    files = [path for path in MODEL_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 45e6
    index = json.loads((MODEL_FOLDER / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["safety_checker"] == [None, None]
    assert index["requires_safety_checker"] is False
    unet = json.loads((MODEL_FOLDER / "unet" / "config.json").read_text())
    assert unet["sample_size"] * 8 == 128


def test_naming_the_folder_needs_no_torch() -> None:
    program = "import sys, sdtui.pocket; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
