"""Teach the pocket model an object that it has never seen, and measure what it knows then.

    python -m tests.benchmarks.train_object FOLDER [--steps 500] [--batch 4] …

Twelve pictures of a "zorb" on six backgrounds are drawn: a magenta hexagon with a cyan ring and a
black cross. Every second of the model's objects is in class pictures that the model makes itself.
Then zorbs on twenty other backgrounds and seeds are made, and one picture each of the objects that
are in no class picture and of some that are, with the LoRA and without it. An object is found if it
is the nearest of all and the zorb (see `sdtui.pocket.recognise`). The sheet has zorbs above objects
that are in no class picture, all with the LoRA.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.recognise import Recogniser, nearest_colour
from sdtui.pocket.sheet import load, sheet
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import plain_caption
from sdtui.pocket.train.compositions import BACKGROUNDS, Composition, Placing
from sdtui.pocket.train.objects import THINGS, Thing
from sdtui.requests.request import GenerationRequest
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.control import TrainingControl
from sdtui.training.run import train

_NAME = "zorb"
_LEARNT = ("red", "blue", "green", "yellow", "white", "orange")
_NEW = ("purple", "black", "pink", "brown", "grey")
_OBJECT = (200, 30, 180), (60, 230, 230), (10, 10, 10)
_ZORB = Thing("", (_NAME,))
_ZORBS = 20
_FIRST_SEED = 100
_CLASS_MEASURED = 4
"""One in so many of the objects in class pictures is measured."""


def draw_object(seed: int, background: tuple[int, int, int]) -> Image.Image:
    """Draw the object, 256 x 256 pixels, at a place and size that depend on the seed."""
    drawn = random.Random(seed)
    hexagon, ring_colour, cross = _OBJECT
    image = Image.new("RGB", (256, 256), background)
    draw = ImageDraw.Draw(image)
    radius = drawn.uniform(80, 100)
    x, y = (128 + drawn.uniform(-10, 10) for _ in range(2))
    corners = [math.pi / 3 * number + 0.2 for number in range(6)]
    draw.polygon(
        [(x + radius * math.cos(each), y + radius * math.sin(each)) for each in corners], hexagon
    )
    ring, arm, width = radius * 0.55, radius * 0.4, int(radius * 0.15)
    draw.ellipse((x - ring, y - ring, x + ring, y + ring), outline=ring_colour, width=width)
    draw.line((x - arm, y, x + arm, y), cross, width)
    draw.line((x, y - arm, x, y + arm), cross, width)
    return image


def write_pictures(folder: Path) -> None:
    """Draw the pictures to learn, with captions."""
    folder.mkdir(parents=True)
    for number in range(12):
        background = _LEARNT[number % len(_LEARNT)]
        draw_object(number, BACKGROUNDS[background]).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"a {_NAME} on a {background} background")


def _class_prompt(things: Sequence[Thing]) -> str:
    """Return a prompt that goes through things, on any background."""
    names = "|".join(each.name for each in things)
    return f"a {{@{names}}} on a {{{'|'.join(BACKGROUNDS)}}} background"


def _recogniser(work: Path, things: Sequence[Thing]) -> Recogniser:
    """Return what tells things and the new object apart. `work` is for the npm package."""
    outside = (1, 2, 3)
    drawing = draw_object(0, outside)
    red, green, blue = (
        channel.point(lambda value, is_at=is_at: 255 * (value != is_at))
        for channel, is_at in zip(drawing.split(), outside, strict=True)
    )
    drawing.putalpha(ImageChops.lighter(red, ImageChops.lighter(green, blue)))
    pictures = load_pictures(fetch_assets(work), things)
    pictures[_ZORB.name] = drawing.crop(drawing.getchannel("A").getbbox())
    return Recogniser(pictures, load(MODEL_FOLDER).vae, (*things, _ZORB))


def _make(
    engine: StableDiffusionEngine, compositions: Sequence[Composition], lora: str
) -> list[Image.Image]:
    """Make a picture of each; its seed follows from its number."""
    return [
        generate(
            engine,
            GenerationRequest.parse(
                {
                    **{"prompt": plain_caption(each), "seed": _FIRST_SEED + number},
                    "loras": (lora,) if lora else (),
                }
            ),
        ).images[0]
        for number, each in enumerate(compositions)
    ]


def _found(
    recogniser: Recogniser, compositions: Sequence[Composition], made: Sequence[Image.Image]
) -> str:
    """Return how many objects and backgrounds are as they should be."""
    pairs = list(zip(compositions, made, strict=True))
    objects = sum(recogniser.object(image, each, 0) == each.things[0] for each, image in pairs)
    backgrounds = sum(nearest_colour(image) == each.background for each, image in pairs)
    return (
        f"{objects} of {len(pairs)} ({objects / len(pairs):.1%}),"
        f" backgrounds {backgrounds} ({backgrounds / len(pairs):.1%})"
    )


def _measure(settings: Settings, recogniser: Recogniser, file: Path) -> None:
    """Print what is found, and save the sheet."""
    known = recogniser.things[:-1]
    zorbs = [
        Composition((_ZORB,), _NEW[number % len(_NEW)], Placing.NORMAL) for number in range(_ZORBS)
    ]
    kinds = {
        "other objects": _on_backgrounds(known[1::2]),
        "objects of the class": _on_backgrounds(known[:: 2 * _CLASS_MEASURED]),
    }
    lora = f"{_NAME}:1"
    with StableDiffusionEngine(settings) as engine:
        shown = _make(engine, zorbs, lora)
        sys.stdout.write(f"{_NAME}: {_found(recogniser, zorbs, shown)}\n")
        del shown[6:]
        for kind, compositions in kinds.items():
            made = _make(engine, compositions, lora)
            shown += made[:6]
            usual = _make(engine, compositions, "")
            sys.stdout.write(
                f"{kind} with the LoRA: {_found(recogniser, compositions, made)}\n"
                f"{kind} without: {_found(recogniser, compositions, usual)}\n"
            )
    sheet(shown[:12], 6).save(file)
    sys.stdout.write(f"{file}\n")


def _on_backgrounds(things: Sequence[Thing]) -> list[Composition]:
    backgrounds = tuple(BACKGROUNDS)
    return [
        Composition((each,), backgrounds[number % len(backgrounds)], Placing.NORMAL)
        for number, each in enumerate(things)
    ]


def main() -> None:
    """Draw, train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--targets", default="conv")
    parser.add_argument("--class-pictures", type=int, default=126)
    parser.add_argument("--train-text-encoder", action="store_true")
    parser.add_argument("--objects", type=int, default=126, help="the first ones of the list")
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="for the npm package")
    options = parser.parse_args()
    folder: Path = options.folder
    quiet_libraries()
    recogniser = _recogniser(options.work, THINGS[: options.objects])
    write_pictures(folder / "pictures")
    values = {
        **{"instance_data_dir": folder / "pictures", "output_name": _NAME, "output_dir": folder},
        **{
            "class_prompt": _class_prompt(recogniser.things[:-1:2]),
            "num_class_images": options.class_pictures,
        },
        **{"max_train_steps": options.steps, "train_batch_size": options.batch},
        **{"learning_rate": options.lr, "rank": options.rank, "targets": options.targets},
        "train_text_encoder": options.train_text_encoder,
    }
    settings = Settings(device="cpu", lora_folders=(folder,))
    started = time.monotonic()
    request = TrainingRequest.parse(values)
    train(request, settings, folder / "work", lambda _: None, TrainingControl())
    seconds = time.monotonic() - started
    sys.stdout.write(f"trained in {seconds:.0f} s, class pictures and all\n")
    _measure(settings, recogniser, folder / "sheet.png")


if __name__ == "__main__":
    main()
