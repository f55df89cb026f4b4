"""Training pictures that aren't square."""

import random

import numpy as np
import pytest
from PIL import Image

from sdtui.pocket.train.compositions import BACKGROUNDS, SIZE, Composition, Placing
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.places import place_codes
from sdtui.pocket.train.rendering import render, render_shape
from sdtui.pocket.train.sizes import SHARES, Size, cells_of, name_of, size_of_name


def test_every_cell_of_a_square_has_a_distinct_place_code() -> None:
    codes = place_codes(8, 8, 8)[0].flatten(1).T
    assert codes.shape == (64, 6)
    assert len({tuple(code) for code in codes.tolist()}) == 64


@pytest.mark.parametrize("side", [4, 8, 16])
def test_cells_of_other_sizes_have_the_codes_of_the_same_places(side: int) -> None:
    native = place_codes(8, 8, 8)[0]
    found = place_codes(side, side, 8)[0]
    rows = [row * 8 // side for row in range(side)]
    assert found.equal(native[:, rows][:, :, rows])


def test_codes_of_another_shape_are_those_of_the_square_in_its_middle() -> None:
    square, wide, tall = (place_codes(*shape, 8)[0] for shape in ((8, 8), (8, 12), (12, 8)))
    assert wide[:, :, 2:10].equal(square)
    assert tall[:, 2:10].equal(square)
    assert wide[:, :, 0].equal(square[:, :, 0])
    assert wide[:, :, 11].equal(square[:, :, 7])


@pytest.mark.parametrize("size", [(128, 96), (96, 160)])
@pytest.mark.parametrize("placing", [Placing.NORMAL, Placing.LEFT, Placing.PAIR])
def test_composition_lies_in_the_middle_with_background_around(
    size: Size, placing: Placing
) -> None:
    things = THINGS[: 2 if placing is Placing.PAIR else 1]
    pictures = {each.name: Image.new("RGBA", (80, 60), (200, 90, 20, 255)) for each in things}
    made = Composition(things, "blue", placing)
    drawing = render_shape(made, pictures, None, size)
    assert drawing.picture.size == drawing.owners.size == size
    side = min(size)
    left, top = ((each - side) // 2 for each in size)
    middle = drawing.picture.crop((left, top, left + side, top + side))
    alone = render(made, pictures, None, side).picture
    # Sides of objects are rounded to pixels.
    differs = np.asarray(middle, dtype=int) != np.asarray(alone, dtype=int)
    assert differs.any(axis=2).mean() < 0.05
    assert drawing.picture.getpixel((1, 1)) == BACKGROUNDS["blue"]


def test_square_picture_is_as_without_a_shape() -> None:
    pictures = {THINGS[0].name: Image.new("RGBA", (80, 60), (200, 90, 20, 255))}
    made = Composition(THINGS[:1], None, Placing.NORMAL)
    shaped = render_shape(made, pictures, random.Random(3), (SIZE, SIZE)).picture
    assert shaped.tobytes() == render(made, pictures, random.Random(3)).picture.tobytes()


def test_sizes_can_be_told_by_the_names_of_files() -> None:
    assert name_of((128, 128)) == "128"
    for size in SHARES:
        assert size_of_name(f"{name_of(size)}-0007") == size
        assert cells_of(size) * 64 == size[0] * size[1]
        assert not any(side % 32 for side in size)
    assert sum(SHARES.values()) == pytest.approx(1)
