"""Teach the pocket model an object that it has never seen, and save a sheet to look at.

    python -m tests.benchmarks.train_object FOLDER [--steps 500] [--batch 4]

Twelve pictures of a "zorb" on six backgrounds are drawn: a magenta hexagon with a cyan ring and a
black cross. Twenty-four pictures of other objects, made by the model, are its class pictures.
Then zorbs on twenty other backgrounds and seeds are made; one is found if magenta and cyan cover
parts of the picture as large as in the drawings, give or take a factor of three. The sheet has
these above other objects with the same LoRA.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.pocket.sheet import sheet
from sdtui.requests.request import GenerationRequest
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.control import TrainingControl
from sdtui.training.run import train

_NAME = "zorb"
_LEARNT = {
    **{"red": (214, 40, 40), "blue": (45, 90, 220), "green": (40, 160, 70)},
    **{"yellow": (240, 210, 50), "white": (245, 245, 245), "orange": (240, 140, 30)},
}
_NEW = ("purple", "black", "pink", "brown", "grey")
_MAGENTA, _CYAN = (200, 30, 180), (60, 230, 230)
_OTHERS = (
    *("red apple", "tiger", "blue fish", "house", "tree", "car", "penguin", "owl", "flower"),
    *("star", "dog", "cat", "banana", "rocket", "boat", "mushroom", "butterfly", "clock", "heart"),
    *("sun", "frog", "pig", "bus", "cake"),
)
_SHOWN = ("a red apple", "a tiger", "a strawberry", "a lion", "a duck", "a horse")
_COLOUR_DISTANCE = 90
_FACTOR = 3


def draw_object(seed: int, background: tuple[int, int, int]) -> Image.Image:
    """Draw the object, 256 x 256 pixels, at a place and size that depend on the seed."""
    drawn = random.Random(seed)
    image = Image.new("RGB", (256, 256), background)
    draw = ImageDraw.Draw(image)
    radius = drawn.uniform(70, 95)
    x, y = (128 + drawn.uniform(-15, 15) for _ in range(2))
    corners = [math.pi / 3 * number + 0.2 for number in range(6)]
    draw.polygon(
        [(x + radius * math.cos(each), y + radius * math.sin(each)) for each in corners], _MAGENTA
    )
    ring, arm, width = radius * 0.55, radius * 0.4, int(radius * 0.15)
    draw.ellipse((x - ring, y - ring, x + ring, y + ring), outline=_CYAN, width=width)
    draw.line((x - arm, y, x + arm, y), (10, 10, 10), width)
    draw.line((x, y - arm, x, y + arm), (10, 10, 10), width)
    return image


def write_pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(12):
        name, colour = list(_LEARNT.items())[number % len(_LEARNT)]
        draw_object(number, colour).save(folder / f"{number:02}.png")
        caption = f"a {_NAME} on a {name} background"
        (folder / f"{number:02}.txt").write_text(caption)


def _write_class_pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    drawn = random.Random(1)
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        for number, thing in enumerate(_OTHERS):
            prompt = f"a {thing} on a {drawn.choice(list(_LEARNT))} background"
            picture = _picture(engine, prompt, number)
            picture.save(folder / f"{number:02}.png")
            (folder / f"{number:02}.txt").write_text(prompt)


def _picture(engine: StableDiffusionEngine, prompt: str, seed: int, lora: str = "") -> Image.Image:
    values = {"prompt": prompt, "seed": seed, "loras": (lora,) if lora else ()}
    return generate(engine, GenerationRequest.parse(values)).images[0]


def _shares(image: Image.Image) -> list[float]:
    """Return the shares of a picture that are about magenta and cyan."""
    pixels = np.asarray(image, dtype=float)
    return [
        float((np.linalg.norm(pixels - colour, axis=2) < _COLOUR_DISTANCE).mean())
        for colour in (_MAGENTA, _CYAN)
    ]


def _is_found(image: Image.Image, usual: list[float]) -> bool:
    pairs = zip(_shares(image), usual, strict=True)
    return all(share / _FACTOR < found < share * _FACTOR for found, share in pairs)


def main() -> None:
    """Draw, train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    folder: Path = options.folder
    quiet_libraries()
    write_pictures(folder / "pictures")
    _write_class_pictures(folder / "class")
    values = {
        **{"instance_data_dir": folder / "pictures", "class_data_dir": folder / "class"},
        **{"output_name": _NAME, "output_dir": folder, "max_train_steps": options.steps},
        **{"train_batch_size": options.batch, "learning_rate": 2e-3, "rank": 32},
        **{"targets": "conv", "train_text_encoder": True},
    }
    settings = Settings(device="cpu", lora_folders=(folder,))
    started = time.monotonic()
    request = TrainingRequest.parse(values)
    train(request, settings, folder / "work", lambda _: None, TrainingControl())
    seconds = time.monotonic() - started
    drawings = [_shares(draw_object(number, _LEARNT["white"])) for number in range(12)]
    usual = [float(each) for each in np.mean(drawings, axis=0)]
    with StableDiffusionEngine(settings) as engine:
        prompts = [f"a {_NAME} on a {_NEW[number % 5]} background" for number in range(20)]
        made = [_picture(engine, each, 100 + i, f"{_NAME}:1") for i, each in enumerate(prompts)]
        others = [f"{each} on a blue background" for each in _SHOWN]
        shown = [_picture(engine, each, 7, f"{_NAME}:1") for each in others]
    found = sum(_is_found(each, usual) for each in made)
    sheet([*made[:6], *shown], 6).save(folder / "sheet.png")
    sys.stdout.write(
        f"{_NAME} found in {found} of {len(made)}, trained in {seconds:.0f} s"
        f" ({options.steps} steps of {options.batch})\n{folder / 'sheet.png'}\n"
    )


if __name__ == "__main__":
    main()
