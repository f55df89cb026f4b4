"""Redrawing upscaled pictures tile by tile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdtui.core.enums import TileOrder
from sdtui.core.errors import InvalidRequestError
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.upscaling.redrawn_tiles import padded_canvas, paste, redrawn_tiles
from sdtui.requests.control_pictures import check_control_pictures
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.redraw import Redraw
from tests.support.events import Events
from tests.support.faults import Fault, failing


@pytest.mark.parametrize("size", [(512, 512), (640, 512), (64, 1000), (520, 72)])
@pytest.mark.parametrize("seams", [False, True])
def test_tiles_cover_the_canvas_in_regions_that_the_model_takes(
    size: tuple[int, int], seams: bool
) -> None:
    covered = np.zeros(size[::-1], bool)
    for tile in redrawn_tiles(*size, Redraw(0.3, tile=256, seams=seams), 8):
        left, top, right, bottom = tile.region
        assert left >= 0
        assert top >= 0
        assert right <= size[0]
        assert bottom <= size[1]
        assert all(side % 8 == 0 for side in tile.size)
        assert left <= tile.box[0] < tile.box[2] <= right
        assert top <= tile.box[1] < tile.box[3] <= bottom
        assert max(tile.size) <= 256 + 2 * 32
        covered[tile.box[1] : tile.box[3], tile.box[0] : tile.box[2]] = True
    assert covered.all()


def test_chess_redraws_every_second_tile_first() -> None:
    tiles = redrawn_tiles(512, 512, Redraw(0.3, tile=256, order=TileOrder.CHESS), 8)
    assert [each.box[:2] for each in tiles] == [(0, 0), (256, 256), (256, 0), (0, 256)]


def test_seams_are_redrawn_by_tiles_that_are_shifted_by_half() -> None:
    tiles = redrawn_tiles(512, 512, Redraw(0.3, tile=256, seams=True), 8)
    seams = [(each.seam, each.box) for each in tiles if each.seam]
    assert seams[0] == ("vertical", (128, 0, 384, 256))
    assert seams[2] == ("horizontal", (0, 128, 256, 384))
    mask = tiles[4].mask(0)
    left = tiles[4].region[0]
    assert mask.getpixel((128 - left, 100)) == 0
    middle = mask.getpixel((256 - left, 100))
    assert isinstance(middle, int)
    assert middle > 240


def test_tiles_end_softly_inside_the_canvas_and_not_at_its_border() -> None:
    canvas = Image.new("RGB", (512, 256))
    tile = redrawn_tiles(512, 256, Redraw(0.3, tile=256), 8)[0]
    paste(canvas, Image.new("RGB", tile.size, "white"), tile, 8)
    row = [canvas.getpixel((x, 128)) for x in (0, 200, 256, 287, 300)]
    values = [each[0] for each in row if isinstance(each, tuple)]
    assert values[0] == values[1] == 255
    assert 100 < values[2] < 155
    assert values[3] < 20
    assert values[4] == 0


def test_canvas_of_any_size_is_padded() -> None:
    picture = Image.linear_gradient("L").resize((33, 47)).convert("RGB")
    assert padded_canvas(picture.resize((70, 80)), 8).size == (72, 80)
    canvas = padded_canvas(picture, 8)
    assert canvas.size == (64, 64)
    assert canvas.crop((0, 0, 33, 47)).tobytes() == picture.tobytes()


@pytest.fixture(scope="module")
def generator() -> RobustStableDiffusionGenerator:
    return RobustStableDiffusionGenerator(StableDiffusionEngine(Settings(device="cpu")))


def _request(**values: Any) -> GenerationRequest:
    given = {
        "prompt": "a red apple",
        "num_inference_steps": 2,
        "width": 64,
        "height": 64,
        "seed": 1,
        "upscale_factor": 2,
        "redraw_strength": 0.5,
        "redraw_tile": 64,
        "redraw_padding": 16,
    }
    return GenerationRequest.parse({**given, **values})


def test_every_tile_of_an_upscaled_picture_is_redrawn(
    generator: RobustStableDiffusionGenerator, events: Events
) -> None:
    result = generator.generate_with_fallback(_request(), report=events.append)
    assert result.error is None
    assert result.images[0].size == (128, 128)
    places = [each.of_pass for each in events if each.kind == "step"]
    redrawn = [(each.number, each.count) for each in places if each and each.name == "redraw"]
    assert redrawn == [(1, 4), (2, 4), (3, 4), (4, 4)]
    plain = generator.generate_with_fallback(_request(redraw_strength=None))
    assert plain.images[0].tobytes() != result.images[0].tobytes()


def test_picture_that_is_there_is_redrawn_without_another_generation(
    generator: RobustStableDiffusionGenerator, tmp_path: Path, events: Events
) -> None:
    Image.linear_gradient("L").resize((50, 70)).save(tmp_path / "x.png")
    request = _request(upscale_image=tmp_path / "x.png", redraw_tile=128)
    result = generator.generate_with_fallback(request, report=events.append)
    assert result.error is None
    assert result.images[0].size == (100, 140)
    names = {each.of_pass.name for each in events if each.kind == "step" and each.of_pass}
    assert names == {"redraw"}
    assert result.record.model is not None
    assert len(result.record.parents) == 1


def test_finished_tiles_are_kept_when_memory_runs_out_in_a_later_one(
    generator: RobustStableDiffusionGenerator, events: Events
) -> None:
    model = generator.engine.load("pocket")
    whole = generator.generate_with_fallback(_request())

    class _Later(Fault):
        def __call__(self, *given: Any, **named: Any) -> None:
            self.passes += 1
            if self.passes == 5:  # two steps of the picture, then one a tile
                raise self._make()

    with failing(model, Stage.DENOISE, _Later(1)) as fault:
        result = generator.generate_with_fallback(_request(), report=events.append)
    assert result.error is None
    assert fault.passes == 2 + 4 + 1
    assert [each.stage for each in result.record.attempts] == [Stage.DENOISE, None]
    assert result.images[0].tobytes() == whole.images[0].tobytes()


def test_strength_that_leaves_no_step_is_refused(
    generator: RobustStableDiffusionGenerator,
) -> None:
    result = generator.generate_with_fallback(_request(redraw_strength=0.1))
    assert "leaves no step" in str(result.error)


def test_tile_is_the_control_picture_of_an_entry_that_names_none(
    generator: RobustStableDiffusionGenerator, tmp_path: Path
) -> None:
    path = tmp_path / "x.png"
    Image.radial_gradient("L").resize((64, 64)).save(path)
    values = {"upscale_image": path, "upscale_factor": 1, "num_inference_steps": 2}
    plain = generator.generate_with_fallback(_request(**values))
    entry = "pocket-edges,preprocessor=canny,passes=redraw"
    steered = generator.generate_with_fallback(_request(**values, controls=[entry]))
    assert steered.error is None
    assert steered.images[0].tobytes() != plain.images[0].tobytes()
    unit = steered.record.settings
    assert unit is not None
    assert unit.control_units[0].net == "pocket-edges"


def test_entry_for_tiles_alone_needs_no_picture_and_others_do() -> None:
    check_control_pictures(_request(controls=["pocket-edges,passes=redraw"]))
    for wrong in (
        _request(controls=["pocket-edges"]),
        _request(controls=["pocket-edges,passes=redraw"], redraw_strength=None),
    ):
        with pytest.raises(InvalidRequestError, match="needs a picture"):
            check_control_pictures(wrong)
