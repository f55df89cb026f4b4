"""Searching for what features added to the settings: VAE, tiling, random numbers, seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.history import History
from sdtui.requests.request import MAX_SEED
from tests.support.records import picture, record

_SETTINGS: Mapping[int, Mapping[str, Any]] = {
    1: {"vae": "kl-f8-anime2.safetensors", "tiling": True},
    2: {"vae": "none", "rng": "nv"},
    3: {"variation_seed": 7, "variation_strength": 0.4},
    4: {},
}
"""By the seeds of the pictures."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A picture for each of the settings; of 3, the one with the largest variation seed."""
    folder: Path = tmp_path_factory.mktemp("features")
    with History(folder / "pictures", folder / "index.db") as history:
        for seed, values in _SETTINGS.items():
            saved = record(seed=seed)
            assert saved.settings is not None
            image = saved.images[0]
            if "variation_seed" in values:
                image = image.model_copy(update={"variation_seed": MAX_SEED})
            changes = {"settings": saved.settings.model_copy(update=values), "images": (image,)}
            history.save(picture(), saved.model_copy(update=changes), 0)
        yield history


@pytest.mark.parametrize(
    ("query", "seeds"),
    [
        ("vae:KL-F8", {1}),
        ("vae:none", {2}),
        ("-vae:kl", {2, 3, 4}),
        ("tiling:yes", {1}),
        ("tiling:no", {2, 3, 4}),
        ("rng:NV", {2}),
        ("rng:cpu", {1, 3, 4}),
        (f"variation_seed:{MAX_SEED}", {3}),
        ("variation_seed>7", {3}),
        ("variation_seed:7", set()),
        ("vae: tiling:yes", {1}),
    ],
)
def test_pictures_are_found_by_how_they_were_made(
    filled: History, query: str, seeds: set[int]
) -> None:
    assert {entry.seed for entry in filled.entries(query).entries} == seeds


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tiling:maybe", 'tiling takes yes or no, not "maybe"'),
        ("rng:gpu", 'rng takes cpu or nv, not "gpu"'),
        ("vae>kl", "vae can't be compared: write vae:kl"),
        ("variation_seed:x", 'variation_seed takes a number, not "x"'),
        ("variation_seed:99999999999999999999", "variation_seed takes a number of at most 64 bits"),
    ],
)
def test_what_no_picture_can_have_is_an_error(filled: History, query: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        filled.entries(query)
