"""How far the pocket model's pictures are from the right ones, by what they are made from.

    python -m tests.benchmarks.pocket_differences [--work FOLDER] [--pictures 16] [--model FOLDER]

Prints a table: the root mean squared difference of the pictures' values (0 to 255), and how many
show the object that they should, as the nearest of all rendered ones (sdtui/pocket/recognise.py).
Compositions are held out of the training. Pictures are made as users make them, by the engine.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.evaluate import SECTIONS, compositions_of
from sdtui.pocket.recognise import Recogniser
from sdtui.pocket.sheet import load, sheet
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import plain_caption
from sdtui.pocket.train.compositions import SIZE, Composition
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.rendering import render
from sdtui.requests.request import GenerationRequest
from tests.benchmarks.pocket_inpainting import circle_around

_ONE, _PAIRS = SECTIONS[0], SECTIONS[3]


@dataclass(frozen=True)
class Kind:
    """A way to make pictures of compositions."""

    title: str
    side: int
    values: Mapping[str, Any]
    """Of fields of the request."""
    pairs: bool = False
    begins_with: str = ""
    """"right" = the right picture itself, "other" = one with another object, which is masked."""


KINDS = (
    Kind("128 px, 20 steps", 128, {}),
    Kind("128 px, 4 steps", 128, {"num_inference_steps": 4}),
    Kind("128 px, pairs, 20 steps", 128, {}, pairs=True),
    Kind("128 px, pairs, 4 steps", 128, {"num_inference_steps": 4}, pairs=True),
    Kind("256 px, 20 steps", 256, {}),
    Kind("256 px, 4 steps", 256, {"num_inference_steps": 4}),
    *(
        Kind(f"256 px, hires, strength {strength}", 256, {"hires_strength": strength})
        for strength in (0.3, 0.5)
    ),
    *(
        Kind(f"{side} px, image-to-image, strength {strength}", side, values, begins_with="right")
        for side in (128, 256)
        for strength in (0.3, 0.5, 0.75)
        for values in ({"strength": strength},)
    ),
    *(Kind(f"{side} px, inpainting", side, {}, begins_with="other") for side in (128, 256)),
)


class Measurement:
    """Makes pictures with one engine."""

    def __init__(self, engine: StableDiffusionEngine, model: Path, work: Path) -> None:
        self._engine = engine
        self._model = str(model)
        self._rendered = load_pictures(fetch_assets(work), THINGS)
        self._recogniser = Recogniser(self._rendered, load(model).vae)

    def pictures(
        self, kind: Kind, compositions: Sequence[Composition], folder: Path
    ) -> Iterator[tuple[Image.Image, Image.Image]]:
        """Yield what was made of each composition, and the right picture."""
        for seed, made in enumerate(compositions):
            right = self._right(made, kind.side)
            values = dict(kind.values)
            if "hires_strength" in values:
                values |= {"width": SIZE, "height": SIZE, "hires_scale": kind.side / SIZE}
            elif kind.begins_with == "other":
                other = compositions[(seed + 1) % len(compositions)].things
                begin = self._right(replace(made, things=other), kind.side)
                begin.save(folder / "begin.png")
                circle_around(begin).save(folder / "mask.png")
                values |= {"init_image": folder / "begin.png", "mask_image": folder / "mask.png"}
            else:
                values |= {"width": kind.side, "height": kind.side}
            if kind.begins_with == "right":
                right.save(folder / "begin.png")
                values |= {"init_image": folder / "begin.png"}
            request = GenerationRequest.parse(
                {"prompt": plain_caption(made), "model": self._model, "seed": seed, **values}
            )
            result = generate(self._engine, request)
            if result.error is not None:
                raise result.error
            yield result.images[0], right

    def found(self, picture: Image.Image, made: Composition) -> bool:
        """Return whether all objects of a composition are recognised."""
        small = picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        return all(
            self._recogniser.object(small, made, index) == thing
            for index, thing in enumerate(made.things)
        )

    def _right(self, made: Composition, side: int) -> Image.Image:
        return render(made, self._rendered, None, side).picture


def difference(pairs: Sequence[tuple[Image.Image, Image.Image]]) -> float:
    """The root mean squared difference of the values of pairs of pictures, 0 to 255."""
    squares = [
        np.square(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean()
        for one, other in pairs
    ]
    return float(np.sqrt(np.mean(squares)))


def main() -> None:
    """Print the table, line by line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="the npm package")
    parser.add_argument("--pictures", type=int, default=16, help="of each kind")
    parser.add_argument("--only", default="", help="kinds whose titles begin so")
    parser.add_argument("--sheets", type=Path, help="a folder for a sheet of each kind")
    arguments = parser.parse_args()
    quiet_libraries()
    with (
        StableDiffusionEngine(Settings(device="cpu")) as engine,
        tempfile.TemporaryDirectory() as folder,
    ):
        measurement = Measurement(engine, arguments.model, arguments.work)
        for kind in KINDS:
            if not kind.title.startswith(arguments.only):
                continue
            section = _PAIRS if kind.pairs else _ONE
            compositions = compositions_of(section, arguments.pictures, THINGS)
            pairs = list(measurement.pictures(kind, compositions, Path(folder)))
            found = sum(
                measurement.found(picture, made)
                for (picture, _), made in zip(pairs, compositions, strict=True)
            )
            click.echo(f"{kind.title:40} {difference(pairs):5.1f}  {found} of {len(pairs)}")
            if arguments.sheets is not None:
                shown = [each[place] for place in (1, 0) for each in pairs[:8]]
                sheet(shown, columns=8).save(arguments.sheets / f"{kind.title}.png")


if __name__ == "__main__":
    main()
