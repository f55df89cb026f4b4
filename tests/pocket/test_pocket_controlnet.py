"""The pocket model's ControlNet draws objects where the edges of a picture are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.pocket.train.compositions import Composition, Placing
from sdtui.pocket.train.controlnet import load_pocket, make_steered
from sdtui.pocket.train.objects import THINGS
from sdtui.requests.request import GenerationRequest

BLUE = (45, 95, 215)


def _object(picture: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return the pixels that differ from a blue background."""
    distance: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.linalg.norm(
        np.asarray(picture, dtype=float) - BLUE, axis=2
    )
    return distance > 90


@pytest.fixture(scope="module")
def engine() -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        yield engine


@pytest.mark.parametrize(
    ("box", "name"), [((10, 12, 66, 68), "apple"), ((60, 55, 118, 113), "cat")]
)
def test_object_lies_where_its_edges_are(
    box: tuple[int, ...], name: str, tmp_path: Path, engine: StableDiffusionEngine
) -> None:
    disc = Image.new("RGB", (128, 128), BLUE)
    ImageDraw.Draw(disc).ellipse(box, fill="orange")
    disc.save(tmp_path / "disc.png")
    values = {"prompt": f"a {name} on a blue background", "seed": 3, "num_inference_steps": 8}
    entry = f"pocket-edges:{tmp_path / 'disc.png'},preprocessor=canny"

    def overlap(controls: tuple[str, ...]) -> float:
        request = GenerationRequest.parse({**values, "controls": controls})
        drawn = _object(generate(engine, request).images[0])
        return float((drawn & wanted).sum() / (drawn | wanted).sum())

    wanted = _object(disc)
    assert overlap((entry,)) > 0.7
    assert overlap(()) < 0.5


def test_cached_pictures_are_used_for_their_own_compositions_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (_, vae) = tmp_path / "steered.pt", load_pocket()
    pictures = {thing.name: Image.new("RGBA", (90, 90), "green") for thing in THINGS}
    first = make_steered(path, 2, vae, pictures)
    assert make_steered(path, 2, vae, {}).latents.equal(first.latents)
    other = Composition(THINGS[:1], "red", Placing.NORMAL)
    monkeypatch.setattr("sdtui.pocket.train.controlnet.draw_composition", lambda _: other)
    second = make_steered(path, 2, vae, pictures)
    assert second.compositions == [other, other]
    assert not second.latents.equal(first.latents)
