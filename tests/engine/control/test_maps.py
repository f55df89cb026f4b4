"""The maps that passes get of a control picture."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from sdtui.core.picture_entries import ControlEntry
from sdtui.engine.control.maps import ControlMaps
from sdtui.engine.features.control import OpenedControl
from sdtui.engine.passes import CanvasPart, Pass
from sdtui.requests.input_images import open_init_image


def _pass(size: tuple[int, int], part: CanvasPart | None = None, name: str = "") -> Pass:
    request: Any = SimpleNamespace(width=size[0], height=size[1])
    return Pass(request, part=part, name=name)


def _map(control: OpenedControl, pass_: Pass) -> Image.Image:
    return control.map(pass_, ControlMaps(), lambda _, image: image)


def test_redrawn_tile_has_its_part_of_the_map_of_the_whole(tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "x.png")
    entry = ControlEntry.parse(f"net:{tmp_path / 'x.png'},preprocessor=invert")
    control = OpenedControl(entry, cast("Any", None), open_init_image(tmp_path / "x.png"))
    whole = _map(control, _pass((512, 512)))
    tile = Image.new("RGB", (128, 64))
    part = _map(control, _pass((128, 64), CanvasPart(tile, (64, 320, 192, 384), (512, 512))))
    assert part.tobytes() == whole.crop((64, 320, 192, 384)).tobytes()


def test_redrawn_tile_is_the_picture_of_an_entry_without_one() -> None:
    control = OpenedControl(ControlEntry.parse("tile"), cast("Any", None), None)
    tile = Image.radial_gradient("L").convert("RGB")
    pass_ = _pass((256, 256), CanvasPart(tile, (0, 0, 256, 256), (512, 512)))
    assert _map(control, pass_).tobytes() == tile.tobytes()


@pytest.mark.parametrize(
    ("passes", "used_in"),
    [("both", "first hires redraw"), ("first", "first"), ("hires", "hires"), ("redraw", "redraw")],
)
def test_entry_is_used_in_its_passes(passes: str, used_in: str) -> None:
    control = OpenedControl(ControlEntry.parse(f"net:x.png,passes={passes}"), cast("Any", 0), None)
    names = {"first": "", "hires": "hires", "redraw": "redraw"}
    used = [each for each, name in names.items() if control.is_used_in(_pass((8, 8), name=name))]
    assert used == used_in.split()
