"""Measure the pocket model on compositions that were held out of its training.

Background: of the twelve colours, the named one is nearest to the median of the picture's outermost
pixels. Object: of all objects rendered on the named background, the named one is nearest to the
picture. The distance is the squared error at 64x64 pixels, at the best of 25 shifts (up to 8 pixels
of 128) and 3 sizes (90 to 110 %).
"""

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import click
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.sheet import GUIDANCE, PROMPTS, STEPS, Pipeline, draw, sheet
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import plain_caption
from sdtui.pocket.train.compositions import BACKGROUNDS, Composition, Placing, render
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.vae import pixels

_SIDE = 64
"""Side in pixels at which pictures are compared."""
_SHIFTS = (-4, -2, 0, 2, 4)
"""In pixels of _SIDE."""
_SIZES = (0.9, 1.0, 1.1)
_BATCH = 8


def load(folder: Path) -> Pipeline:
    """Load the model for the CPU, without messages of the libraries."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    pipeline: Pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def held_out(placings: Sequence[Placing]) -> list[Composition]:
    """All held-out compositions of one object with one of `placings`."""
    combinations = (
        Composition((thing,), background, placing)
        for thing, background, placing in product(THINGS, BACKGROUNDS, placings)
    )
    return [composition for composition in combinations if composition.held_out]


def nearest_background(picture: Image.Image) -> str:
    """The name of the background colour nearest to the edge of the picture."""
    rim = torch.ones(picture.height, picture.width, dtype=torch.bool)
    rim[2:-2, 2:-2] = False
    colour = pixels([picture])[0][:, rim].median(dim=1).values
    distances = {
        name: (colour - torch.tensor(named) / 127.5 + 1).square().sum().item()
        for name, named in BACKGROUNDS.items()
    }
    return min(distances, key=distances.__getitem__)


class NearestObject:
    """Recognises the object in a picture of one centred object."""

    def __init__(self, pictures: Mapping[str, Image.Image]) -> None:
        self.pictures = pictures
        self.references: dict[str, Tensor] = {}

    def name(self, picture: Image.Image, background: str) -> str:
        references = self._on(background)
        small = functional.interpolate(pixels([picture]), (_SIDE, _SIDE), mode="area")
        margin = max(_SHIFTS)
        padded = functional.pad(small, (margin,) * 4, mode="replicate")
        shifted = torch.stack(
            [
                padded[0, :, margin + y : margin + y + _SIDE, margin + x : margin + x + _SIDE]
                for x, y in product(_SHIFTS, _SHIFTS)
            ]
        ).flatten(1)
        distances = torch.cdist(references, shifted).amin(dim=1)
        nearest = int(distances.view(len(THINGS), len(_SIZES)).amin(dim=1).argmin())
        return THINGS[nearest].name

    def _on(self, background: str) -> Tensor:
        """All objects in all sizes on one background: (objects x sizes, values)."""
        if background not in self.references:
            rendered = [
                render(
                    Composition((thing,), background, Placing.NORMAL), self.pictures, scale=scale
                )
                for thing, scale in product(THINGS, _SIZES)
            ]
            self.references[background] = functional.interpolate(
                pixels(rendered), (_SIDE, _SIDE), mode="area"
            ).flatten(1)
        return self.references[background]


def blind_captions(seed: int) -> list[str]:
    """Captions of sixteen different objects, each centred on a held-out background."""
    compositions = held_out([Placing.NORMAL])
    random.Random(seed).shuffle(compositions)
    first_of_each = {
        composition.things[0].name: composition for composition in reversed(compositions)
    }
    picked = [c for c in compositions if first_of_each[c.things[0].name] is c]
    return [plain_caption(composition) for composition in picked[:16]]


def draw_all(
    pipeline: Pipeline, compositions: Sequence[Composition], seeds: Sequence[int]
) -> Iterator[tuple[Composition, Image.Image]]:
    """Draw every composition from its plain caption, cycling through the seeds."""
    for start in range(0, len(compositions), _BATCH):
        batch = compositions[start : start + _BATCH]
        chosen = [seeds[(start + number) % len(seeds)] for number in range(len(batch))]
        yield from zip(
            batch, draw(pipeline, [plain_caption(c) for c in batch], chosen), strict=True
        )


def measure(pipeline: Pipeline, pictures: Mapping[str, Image.Image], rounds: int) -> None:
    """Print both results; each round draws every composition with another of the seeds 0-9."""
    nearest = NearestObject(pictures)
    single = held_out([Placing.NORMAL])
    off_centre = held_out([p for p in Placing if p not in (Placing.NORMAL, Placing.PAIR)])
    compositions = single + random.Random(0).sample(off_centre, len(single) // 2)
    backgrounds = objects = 0
    misses: Counter[str] = Counter()
    for number in range(rounds):
        seeds = [(number + seed) % 10 for seed in range(10)]
        for composition, picture in draw_all(pipeline, compositions, seeds):
            assert composition.background is not None
            backgrounds += nearest_background(picture) == composition.background
            if composition.placing is Placing.NORMAL:
                expected = composition.things[0].name
                recognised = nearest.name(picture, composition.background)
                objects += recognised == expected
                misses[f"{expected} → {recognised}"] += recognised != expected
    click.echo(
        f"background correct: {backgrounds / len(compositions) / rounds:.1%} "
        f"({len(compositions)} held-out compositions)"
    )
    click.echo(
        f"object nearest of {len(THINGS)}: {objects / len(single) / rounds:.1%} "
        f"({len(single)} held-out compositions)"
    )
    click.echo("most frequent misses:")
    for miss, count in misses.most_common(20):
        if count:
            click.echo(f"  {count} x {miss}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="the npm package")
    parser.add_argument("--rounds", type=int, default=10, help="pictures for each composition")
    parser.add_argument("--sheet", type=Path, help="only write the sixteen samples there")
    parser.add_argument(
        "--blind", type=int, metavar="SEED", help="the sheet: held-out objects, named afterwards"
    )
    arguments = parser.parse_args()
    pipeline = load(arguments.model)
    if arguments.sheet:
        prompts = PROMPTS if arguments.blind is None else blind_captions(arguments.blind)
        sheet(draw(pipeline, prompts, range(len(prompts)))).save(arguments.sheet)
        if arguments.blind is not None:
            click.pause("Look at the sheet, name what you see, then press any key …")
            click.echo("\n".join(prompts))
        return
    click.echo(f"{STEPS} steps, guidance {GUIDANCE}, {pipeline.scheduler.__class__.__name__}")
    measure(pipeline, load_pictures(fetch_assets(arguments.work), THINGS), arguments.rounds)


if __name__ == "__main__":
    main()
