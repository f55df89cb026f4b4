"""Enlarging pictures by resampling and with models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, ModelDamagedError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.engine.device import Device
from sdtui.engine.upscaling.model import load_upscaler
from sdtui.engine.upscaling.tiles import OVERLAP, Tile, tiles_of
from sdtui.engine.upscaling.upscaler import UpscalingContext
from sdtui.engine.upscaling.upscalers import Upscalers
from tests.support.spandrel import needs_spandrel
from tests.support.upscalers import save_upscaler, tiny_esrgan

CONTEXT = UpscalingContext(Device(torch.device("cpu")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upscalers")
    save_upscaler(folder / "4x-tiny.safetensors", tiny_esrgan())
    save_upscaler(folder / "2x-tiny.safetensors", tiny_esrgan(scale=2))
    return folder


@pytest.fixture
def upscalers(folder: Path) -> Upscalers:
    return Upscalers(Settings(upscaler_folders=(folder,)))


def _picture(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 4)).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize(
    ("name", "resampling"),
    [
        (None, Image.Resampling.LANCZOS),
        ("none", Image.Resampling.LANCZOS),
        ("Nearest", Image.Resampling.NEAREST),
    ],
)
def test_built_in_upscalers_resample(name: str | None, resampling: Image.Resampling) -> None:
    picture = _picture()
    result = Upscalers(Settings()).find(name).upscale(picture, 200, 100, CONTEXT)
    assert result.tobytes() == picture.resize((200, 100), resampling).tobytes()


@needs_spandrel
@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_model_keeps_the_mode_of_a_picture(upscalers: Upscalers, mode: str) -> None:
    result = upscalers.find("4x-tiny").upscale(_picture(33, 47, mode), 132, 188, CONTEXT)
    assert (result.mode, result.size) == (mode, (132, 188))


@needs_spandrel
def test_transparency_is_resized_alone(upscalers: Upscalers) -> None:
    picture = _picture(mode="RGBA")
    result = upscalers.find("4x-tiny").upscale(picture, 384, 256, CONTEXT)
    alone = picture.getchannel("A").resize((384, 256), Image.Resampling.LANCZOS)
    assert result.getchannel("A").tobytes() == alone.tobytes()


@needs_spandrel
def test_model_is_applied_until_the_picture_is_large_enough(upscalers: Upscalers) -> None:
    tiles: list[tuple[int, int]] = []
    context = UpscalingContext(CONTEXT.device, on_tile=lambda *each: tiles.append(each))
    result = upscalers.find("2x-tiny").upscale(_picture(40, 40), 150, 150, context)
    assert result.size == (150, 150)
    assert tiles == [(1, 1), (1, 1)]  # to 80, to 160


@needs_spandrel
def test_picture_that_gets_smaller_is_only_resized(upscalers: Upscalers) -> None:
    picture = _picture()
    result = upscalers.find("2x-tiny").upscale(picture, 48, 32, CONTEXT)
    assert result.tobytes() == picture.resize((48, 32), Image.Resampling.LANCZOS).tobytes()


@needs_spandrel
def test_model_is_the_same_as_without_tiles_and_8_bits(folder: Path, upscalers: Upscalers) -> None:
    picture = _picture()
    result = np.asarray(upscalers.find("4x-tiny").upscale(picture, 384, 256, CONTEXT))
    model = load_upscaler(folder / "4x-tiny.safetensors").descriptor
    values = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    expected = (model(values)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(result, expected)


@needs_spandrel
def test_cancelling_ends_between_tiles(upscalers: Upscalers) -> None:
    cancellation = Cancellation()
    tiles: list[tuple[int, int]] = []

    def on_tile(done: int, total: int) -> None:
        tiles.append((done, total))
        cancellation.stop_now()

    context = UpscalingContext(CONTEXT.device, cancellation, on_tile)
    with pytest.raises(CancelledError):
        upscalers.find("2x-tiny").upscale(_picture(300, 40), 600, 80, context)
    assert tiles == [(1, 2)]


@needs_spandrel
def test_last_model_is_kept_and_can_be_dropped(folder: Path, upscalers: Upscalers) -> None:
    model = upscalers.load(folder / "4x-tiny.safetensors")
    assert upscalers.load(folder / "4x-tiny.safetensors") is model
    upscalers.unload()
    assert upscalers.load(folder / "4x-tiny.safetensors") is not model


def test_equal_upscalers_are_equal(folder: Path) -> None:
    settings = Settings(upscaler_folders=(folder,))
    one, other = (Upscalers(settings).find("4x-tiny") for _ in range(2))
    assert one == other != Upscalers(settings).find("2x-tiny")


@needs_spandrel
@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ({"something.weight": torch.zeros(3)}, "its architecture is unknown"),
        ({"body.0.rdb1.conv1.weight": torch.zeros(3)}, "can't be used as an upscaler"),
    ],
)
def test_unknown_architecture_is_refused_in_one_sentence(
    tmp_path: Path, weights: dict[str, torch.Tensor], problem: str
) -> None:
    from safetensors.torch import save_file

    save_file(weights, tmp_path / "x.safetensors")
    with pytest.raises(UnsupportedModelError, match=problem):
        load_upscaler(tmp_path / "x.safetensors")


@needs_spandrel
def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"x" * 100)
    with pytest.raises(ModelDamagedError):
        load_upscaler(path)


def test_model_without_spandrel_says_how_to_install_it(
    upscalers: Upscalers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdtui.engine.upscaling.spandrel_import.find_spec", lambda _: None)
    with pytest.raises(UnsupportedModelError, match=r"sdtui\[upscalers\]"):
        upscalers.find("4x-tiny")


@needs_spandrel
def test_tiles_change_at_most_one_level_away_from_seams(
    upscalers: Upscalers, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = _picture(128, 80).resize((256, 160), Image.Resampling.BICUBIC)
    results = []
    for side in (256, 128):
        monkeypatch.setattr("sdtui.engine.upscaling.upscalers.TILE_ON_CPU", side)
        result = upscalers.find("2x-tiny").upscale(picture, 512, 320, CONTEXT)
        results.append(np.asarray(result).astype(int))
    difference = np.abs(results[0] - results[1]).max(axis=2)
    assert difference.max() <= 4
    for tile in tiles_of(Tile(0, 0, 256, 160), 128, 8):
        if tile.left:
            difference[:, 2 * tile.left : 2 * (tile.left + OVERLAP)] = 0
        if tile.top:
            difference[2 * tile.top : 2 * (tile.top + OVERLAP)] = 0
    assert difference.max() <= 1


@needs_spandrel
def test_tiles_shrink_where_the_free_memory_asks_for_it(
    upscalers: Upscalers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles: list[tuple[int, int]] = []
    needed: list[int] = []
    context = UpscalingContext(
        CONTEXT.device, on_tile=lambda *each: tiles.append(each), expect=needed.append
    )
    memory = CONTEXT.device.memory()
    picture = _picture(256, 256)
    upscalers.find("2x-tiny").upscale(picture, 512, 512, context)
    monkeypatch.setattr(Device, "memory", lambda _: replace(memory, free=needed[0] // 2))
    upscalers.find("2x-tiny").upscale(picture, 512, 512, context)
    assert tiles[0] == (1, 1)
    assert len(tiles) > 3
    assert needed[1] < needed[0]
