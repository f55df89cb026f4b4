"""Measure the pocket model on compositions that were held out of its training.

Every figure is a share of pictures in which the model drew what the caption says, as judged by the
nearest of rendered pictures (recognise.py).
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
from PIL import Image

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.recognise import Recogniser, nearest_colour
from sdtui.pocket.sheet import GUIDANCE, PROMPTS, STEPS, Pipeline, draw, load, sheet
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import plain_caption
from sdtui.pocket.train.colours import COLOURS
from sdtui.pocket.train.compositions import BACKGROUNDS, SPOTS, Composition, Placing
from sdtui.pocket.train.objects import THINGS, Thing
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.scenes import SCENES
from sdtui.pocket.train.styles import Style

_BATCH = 8
_ASIDE = (Placing.LEFT, Placing.RIGHT, Placing.TOP, Placing.BOTTOM)
_RELATIONS = (Placing.ON_TOP, Placing.IN_FRONT)

Judge = Callable[[Recogniser, Image.Image, Composition], tuple[str, str]]
"""What was expected and what was recognised."""


def held_out(placings: Sequence[Placing], things: Sequence[Thing] = THINGS) -> list[Composition]:
    """All held-out compositions of one of `things` on a plain background."""
    combinations = (
        Composition((thing,), background, placing)
        for thing, background, placing in product(things, BACKGROUNDS, placings)
    )
    return [composition for composition in combinations if composition.held_out]


def blind_captions(seed: int) -> list[str]:
    """Captions of sixteen different objects, each centred on a held-out background."""
    compositions = held_out([Placing.NORMAL])
    random.Random(seed).shuffle(compositions)
    first_of_each = {
        composition.things[0].name: composition for composition in reversed(compositions)
    }
    picked = [c for c in compositions if first_of_each[c.things[0].name] is c]
    return [plain_caption(composition) for composition in picked[:16]]


def _objects(recogniser: Recogniser, picture: Image.Image, made: Composition) -> tuple[str, str]:
    found = [recogniser.object(picture, made, index).name for index in range(len(made.things))]
    return " + ".join(thing.name for thing in made.things), " + ".join(found)


def _colour(recogniser: Recogniser, picture: Image.Image, made: Composition) -> tuple[str, str]:
    return str(made.colours[0]), recogniser.colour(picture, made)


def _scene(recogniser: Recogniser, picture: Image.Image, made: Composition) -> tuple[str, str]:
    return str(made.background), recogniser.background(picture, made)


def _style(recogniser: Recogniser, picture: Image.Image, made: Composition) -> tuple[str, str]:
    return made.style, recogniser.style(picture, made)


def _background(_: Recogniser, picture: Image.Image, made: Composition) -> tuple[str, str]:
    return str(made.background), nearest_colour(picture)


@dataclass(frozen=True)
class Section:
    """A kind of composition, and what is judged in its pictures."""

    title: str
    draw: Callable[[random.Random, Sequence[Thing]], Composition]
    """A random composition of some of these objects."""
    judges: dict[str, Judge]


def _section(
    title: str,
    placings: Sequence[Placing],
    judges: dict[str, Judge],
    *,
    scenes: bool = False,
    coloured: bool = False,
    styles: Sequence[Style] = (Style.RENDER,),
) -> Section:
    """Compositions of random objects with these placings and styles, on plain colours or scenes."""

    def draw_one(rng: random.Random, things: Sequence[Thing]) -> Composition:
        placing = rng.choice(placings)
        possible = [thing for thing in things if thing.recolourable or not coloured]
        return Composition(
            tuple(rng.sample(possible, len(SPOTS[placing]))),
            rng.choice(tuple(SCENES if scenes else BACKGROUNDS)),
            placing,
            (rng.choice(tuple(COLOURS)),) if coloured else (),
            rng.choice(styles),
        )

    return Section(title, draw_one, judges)


_FOUND: dict[str, Judge] = {"found first": _objects}
SECTIONS = (
    _section("one object", [Placing.NORMAL], _FOUND | {"background as named": _background}),
    _section("small", [Placing.SMALL], _FOUND | {"background as named": _background}),
    _section("at one side", _ASIDE, _FOUND | {"background as named": _background}),
    _section("side by side, both", [Placing.PAIR], _FOUND),
    _section("on top of, in front of, both", _RELATIONS, _FOUND),
    _section("colour of the object", [Placing.NORMAL], {"as named": _colour}, coloured=True),
    _section("scenery", [Placing.NORMAL], {"as named": _scene} | _FOUND, scenes=True),
    _section("style", [Placing.NORMAL], {"as named": _style}, styles=tuple(Style)[1:]),
)


def compositions_of(section: Section, count: int, things: Sequence[Thing]) -> list[Composition]:
    """`count` held-out compositions, always the same."""
    rng = random.Random(0)
    chosen: list[Composition] = []
    while len(chosen) < count:
        composition = section.draw(rng, things)
        if composition.held_out:
            chosen.append(composition)
    return chosen


def draw_all(
    pipeline: Pipeline, compositions: Sequence[Composition], steps: int
) -> Iterator[tuple[Composition, Image.Image]]:
    """Draw every composition from its plain caption, with the seeds 0, 1, 2 and so on."""
    for start in range(0, len(compositions), _BATCH):
        batch = compositions[start : start + _BATCH]
        with autocast():
            seeds = range(start, start + len(batch))
            drawn = draw(pipeline, [plain_caption(c) for c in batch], seeds, steps)
        yield from zip(batch, drawn, strict=True)


def measure(
    drawn: Iterable[tuple[Composition, Image.Image]], recogniser: Recogniser, section: Section
) -> None:
    """Print the share of right answers of every judge, and the most frequent wrong ones."""
    right: Counter[str] = Counter()
    misses: Counter[str] = Counter()
    count = 0
    for composition, picture in drawn:
        count += 1
        for name, judge in section.judges.items():
            expected, recognised = judge(recogniser, picture, composition)
            right[name] += expected == recognised
            if expected != recognised:
                misses[f"{expected} → {recognised}"] += 1
    for name in section.judges:
        click.echo(f"{section.title}: {name} {right[name] / count:.1%} of {count}")
    if misses:
        click.echo("    " + "; ".join(miss for miss, _ in misses.most_common(6)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="the npm package")
    parser.add_argument("--pictures", type=int, default=100, help="in each section")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--sections", type=int, default=len(SECTIONS), help="only the first ones")
    parser.add_argument(
        "--objects", type=int, default=len(THINGS), help="draw only the first ones of the list"
    )
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
    click.echo(
        f"{arguments.steps} steps, guidance {GUIDANCE}, {pipeline.scheduler.__class__.__name__}"
    )
    pictures = load_pictures(fetch_assets(arguments.work), THINGS)
    recogniser = Recogniser(pictures, pipeline.vae)
    things = THINGS[: arguments.objects]
    for section in SECTIONS[: arguments.sections]:
        compositions = compositions_of(section, arguments.pictures, things)
        measure(draw_all(pipeline, compositions, arguments.steps), recogniser, section)


if __name__ == "__main__":
    main()
