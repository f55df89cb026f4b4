"""Noise: its source, variation seeds and seed resize."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from sdtui.core.enums import Rng
from sdtui.engine.generator import generate
from sdtui.engine.noise import BatchNoise, pasted_centred, slerp
from sdtui.engine.philox import Philox
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.noise import Noise
from tests.support.images import difference

_SHAPE, _SIZE = (4, 8, 6), (48, 64)
# The docstring of modules/rng_philox.py of A1111: seed 0, 3 x 4 numbers.
_PHILOX = [
    [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
    [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
    [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
]


def torch_noise(seed: int, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    """What torch draws one after the other."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float32) for shape in shapes]


def test_philox_draws_the_numbers_of_the_reference() -> None:
    drawn = Philox(0).randn((3, 4))
    assert drawn.dtype == numpy.float32
    # Half a unit in the last place of float32, and half of the last digit that is printed.
    assert numpy.allclose(drawn, _PHILOX, rtol=2**-24, atol=5e-9)


def test_philox_continues_and_uses_all_bits_of_a_seed() -> None:
    stream = Philox(5)
    assert not numpy.array_equal(stream.randn((4, 8, 8)), stream.randn((4, 8, 8)))
    large = Philox(5 + 2**32).randn((4, 64, 64))
    assert not numpy.array_equal(Philox(5).randn((4, 64, 64)), large)
    assert abs(large.mean()) < 0.03
    assert abs(large.std() - 1) < 0.03


def a1111_slerp(val: float, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """The formula of modules/rng.py."""
    low_norm = low / torch.norm(low, dim=1, keepdim=True)
    high_norm = high / torch.norm(high, dim=1, keepdim=True)
    dot = (low_norm * high_norm).sum(1)
    if dot.mean() > 0.9995:
        return low * val + high * (1 - val)
    omega = torch.acos(dot)
    so = torch.sin(omega)
    near = (torch.sin((1.0 - val) * omega) / so).unsqueeze(1) * low
    return near + (torch.sin(val * omega) / so).unsqueeze(1) * high


@pytest.mark.parametrize("strength", [0.0, 0.2, 0.5, 0.95, 1.0])
def test_slerp_is_that_of_a1111(strength: float) -> None:
    (low, high) = torch_noise(1, (4, 64, 48), (4, 64, 48))
    mixed = slerp(strength, low, high)
    assert torch.equal(mixed, a1111_slerp(strength, low, high))
    assert abs(float(mixed.std()) - 1) < 0.02


def test_ends_of_slerp_are_exact() -> None:
    (low, high) = torch_noise(2, _SHAPE, _SHAPE)
    assert torch.equal(slerp(0, low, high), low)
    assert torch.equal(slerp(1, low, high), high)


def test_nearly_parallel_noise_is_mixed_linearly_the_other_way_round() -> None:
    (low,) = torch_noise(3, _SHAPE)
    high = low * 1.5
    assert torch.equal(slerp(0.2, low, high), low * 0.2 + high * 0.8)


def test_noise_of_a_picture_is_what_torch_draws_from_its_seed() -> None:
    noise = BatchNoise(Noise(), (7, 8))
    initial = noise.initial(_SHAPE, _SIZE)
    for number, seed in enumerate((7, 8)):
        first, second = torch_noise(seed, _SHAPE, _SHAPE)
        assert torch.equal(initial[number], first)
        drawn = torch.randn(_SHAPE, generator=noise.generators[number])
        assert torch.equal(drawn, second)


def test_variation_mixes_in_the_noise_of_the_other_seed() -> None:
    settings = Noise(variation_seed=20, variation_strength=0.3)
    initial = BatchNoise(settings, (7, 7), (20, 21)).initial(_SHAPE, _SIZE)
    (own,) = torch_noise(7, _SHAPE)
    for number, seed in enumerate((20, 21)):
        (other,) = torch_noise(seed, _SHAPE)
        assert torch.equal(initial[number], slerp(0.3, own, other))


def test_strength_1_is_the_other_seeds_picture() -> None:
    settings = Noise(variation_seed=20, variation_strength=1)
    initial = BatchNoise(settings, (7,), (20,)).initial(_SHAPE, _SIZE)
    assert torch.equal(initial[0], torch_noise(20, _SHAPE)[0])


@pytest.mark.parametrize("size", [(32, 48), (80, 96), (32, 96), (48, 64)])
def test_seed_resize_puts_noise_of_the_old_size_into_the_middle(size: tuple[int, int]) -> None:
    width, height = size
    settings = Noise(seed_resize_width=width, seed_resize_height=height)
    (found,) = BatchNoise(settings, (7,)).initial(_SHAPE, _SIZE)
    (old,) = torch_noise(7, (4, height // 8, width // 8))
    (new,) = torch_noise(7, _SHAPE)
    for y in range(8):
        for x in range(6):
            old_y, old_x = y - (8 - height // 8) // 2, x - (6 - width // 8) // 2
            is_inside = 0 <= old_y < height // 8 and 0 <= old_x < width // 8
            wanted = old[:, old_y, old_x] if is_inside else new[:, y, x]
            assert torch.equal(found[:, y, x], wanted), (x, y)


def test_pasting_leaves_its_arguments_as_they_are() -> None:
    into = torch.zeros(1, 4, 4)
    assert float(pasted_centred(torch.ones(1, 2, 2), into).sum()) == 4
    assert float(into.sum()) == 0


def test_libraries_draw_the_next_numbers_of_philox() -> None:
    noise = BatchNoise(Noise(rng=Rng.NV), (7, 8))
    initial = noise.initial(_SHAPE, _SIZE)
    with noise.drawn_by_libraries():
        drawn = randn_tensor((2, *_SHAPE), generator=noise.generators, dtype=torch.float16)
        other = torch.randn(3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(other, torch.randn(3, generator=torch.Generator().manual_seed(1)))
    for number, seed in enumerate((7, 8)):
        stream = Philox(seed)
        assert torch.equal(initial[number], torch.from_numpy(stream.randn(_SHAPE)))
        assert torch.equal(drawn[number], torch.from_numpy(stream.randn(_SHAPE)).half())


def test_pipelines_that_draw_themselves_get_varied_noise() -> None:
    settings = Noise(variation_seed=20, variation_strength=0.3)
    noise = BatchNoise(settings, (7,), (20,))
    with noise.drawn_by_libraries(varied=True):
        drawn = randn_tensor((1, *_SHAPE), generator=noise.generators)
    (own,), (other,) = torch_noise(7, _SHAPE), torch_noise(20, _SHAPE)
    assert torch.equal(drawn[0], slerp(0.3, own, other))


def request(**values: object) -> GenerationRequest:
    usual = {"prompt": "a red apple", "width": 64, "height": 64, "num_inference_steps": 3}
    return GenerationRequest.parse({**usual, "seed": 5, "sampler": "Euler a", **values})


def test_pictures_of_a_batch_keep_the_seed_and_count_variation_seeds(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    varied = {"model": str(tiny_sd1), "variation_strength": 0.4, "variation_seed": 30}
    both = generate(shared_engine, request(**varied, num_images_per_prompt=2))
    records = [both.record.of_image(index) for index in range(2)]
    assert [each.seed for each in records] == [5, 5]
    assert [each.values()["variation_seed"] for each in records] == [30, 31]
    second = GenerationRequest.parse({**records[1].values(), "prompt": "a red apple"})
    alone = generate(shared_engine, second)
    assert difference(both.images[1], alone.images[0]) <= 1  # batches round differently
    plain = generate(shared_engine, request(model=str(tiny_sd1))).images[0]
    assert difference(plain, both.images[0]) > 0


def test_open_variation_seed_is_drawn_and_recorded(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    asked = request(model=str(tiny_sd1), variation_strength=0.4)
    made = generate(shared_engine, asked)
    assert made.record.settings is not None
    drawn = made.record.values()["variation_seed"]
    again = generate(shared_engine, asked.changed(variation_seed=drawn))
    assert difference(made.images[0], again.images[0]) == 0


@pytest.mark.parametrize("init", [False, True])
def test_source_of_the_noise_changes_the_picture_and_stands_in_the_record(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path, init: bool
) -> None:
    picture = tmp_path / "init.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    values = {"model": str(tiny_sd1), **({"init_image": picture} if init else {})}
    usual = generate(shared_engine, request(**values))
    nv = generate(shared_engine, request(**values, rng="nv"))
    again = generate(shared_engine, request(**values, rng="nv"))
    assert difference(usual.images[0], nv.images[0]) > 0
    assert difference(nv.images[0], again.images[0]) == 0
    assert usual.record.settings is not None
    assert nv.record.settings is not None
    assert "rng" not in usual.record.settings.model_dump()
    assert nv.record.settings.model_dump()["rng"] == "nv"
    assert nv.record.values()["rng"] is Rng.NV
