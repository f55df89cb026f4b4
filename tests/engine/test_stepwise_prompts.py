"""Prompts that change by step, and prompts of several parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch import nn

from sdtui.core.enums import POCKET, DType
from sdtui.engine.embeddings import EncodedPart, EncodedText, StepwisePrompts
from sdtui.engine.encode.stepwise import combine, stepwise_prompts
from sdtui.engine.features.active import ActiveFeatures, open_sections, sections_for
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.passes import Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolve import resolve
from sdtui.models import estimate_run
from sdtui.requests.events import Preview
from tests.support.events import Events
from tests.support.faults import cuda_out_of_memory
from tests.support.images import difference
from tests.support.requests import make_request

Make = Callable[..., Image.Image]
NEAR = 1
"""Texts that are encoded together differ in their last bits."""


@pytest.fixture
def make(shared_engine: StableDiffusionEngine, tiny_sd1: Path) -> Make:
    def made(prompt: str, **values: Any) -> Image.Image:
        request = {"num_inference_steps": 4, "guidance_scale": 30, **values}
        model = request.pop("model", tiny_sd1)
        return generate(shared_engine, make_request(model, prompt=prompt, **request)).images[-1]

    return made


def text(value: float) -> EncodedText:
    return EncodedText(torch.full((1, 2, 3), float(value)), torch.full((1, 4), value))


class _Denoiser(nn.Module):
    """Predicts the mean of its prompt, and remembers how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []

    def forward(self, sample: torch.Tensor, timestep: Any, **given: Any) -> tuple[torch.Tensor]:
        self.calls.append({"sample": sample, "timestep": timestep, **given})
        means = given["encoder_hidden_states"].mean(dim=(1, 2))
        return (sample * 0 + means[:, None],)


def test_rows_of_each_part_are_combined() -> None:
    denoiser = _Denoiser()
    parts = (EncodedPart((text(2),)), EncodedPart((text(5),), weight=-0.5))
    prompts = StepwisePrompts(parts, EncodedPart((text(1),)))
    given = {
        "encoder_hidden_states": torch.zeros(4, 2, 3),
        "added_cond_kwargs": {"text_embeds": torch.zeros(4, 4), "time_ids": torch.arange(4)},
    }
    sample = torch.arange(4.0)[:, None]
    with stepwise_prompts(denoiser, prompts, pictures=2):
        (guided,) = denoiser(sample, torch.tensor(7), **given)
        (unguided,) = denoiser(sample[2:], 7, **{**given, "timestep_cond": torch.zeros(2, 1)})
    # 1 + (2 - 1) - 0.5 * (5 - 1)
    assert guided.flatten().tolist() == [1, 1, 0, 0]
    assert unguided.flatten().tolist() == [0, 0]
    first, second = denoiser.calls
    assert first["sample"].flatten().tolist() == [0, 1, 2, 3, 2, 3]
    assert first["added_cond_kwargs"]["time_ids"].tolist() == [0, 1, 2, 3, 2, 3]
    assert first["added_cond_kwargs"]["text_embeds"][:, 0].tolist() == [1, 1, 2, 2, 5, 5]
    assert second["sample"].flatten().tolist() == [2, 3, 2, 3, 2, 3]
    assert len(second["timestep_cond"]) == 6
    assert not denoiser._forward_hooks
    assert not denoiser._forward_pre_hooks


def test_texts_change_behind_their_last_call() -> None:
    denoiser = _Denoiser()
    prompts = StepwisePrompts(
        (EncodedPart((text(2), text(3)), until=(1, 4)),), EncodedPart((text(1),), until=(4,))
    )
    given = {"encoder_hidden_states": None, "added_cond_kwargs": {"text_embeds": None}}
    with stepwise_prompts(denoiser, prompts, pictures=1):
        means = [denoiser(torch.zeros(2, 1), 7, **given)[0].flatten().tolist() for _ in range(4)]
    assert means == [[1, 2], [1, 2], [1, 3], [1, 3]]


def test_one_part_is_exact() -> None:
    unconditional, conditional = torch.randn(2, 4, 8, 8, dtype=torch.float32)
    assert torch.equal(combine(unconditional, [conditional], [1.0]), conditional)
    both = combine(unconditional, [conditional, conditional], [0.5, 0.5])
    torch.testing.assert_close(both, conditional)


@pytest.mark.parametrize("model", ["tiny_sd1", "tiny_sdxl"])
def test_schedules_change_pictures(make: Make, model: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(model)
    dog = "~~ %% 99 __ ^^ QQ ~~ %% 99 __ ^^ QQ"
    one, other = (make(prompt, model=folder) for prompt in ("a cat", f"a {dog}"))
    assert difference(make(f"a [cat:{dog}:0]", model=folder), other) == 0
    assert difference(make(f"a [cat:{dog}:9]", model=folder), one) == 0
    mixed = make(f"a [cat:{dog}:1]", model=folder)
    assert difference(mixed, one) > 0
    assert difference(mixed, other) > 0
    assert difference(make(f"a [cat:{dog}:.25]", model=folder), mixed) == 0
    assert difference(make("a [cat|cat]", model=folder), one) == 0
    assert difference(make(f"a [cat|{dog}]", model=folder), mixed) > 0


@pytest.mark.parametrize(
    "values", [{}, {"guidance_scale": 1}, {"model": "sdxl"}, {"speed": "fast"}]
)
def test_parts_are_denoised_together(make: Make, values: dict[str, Any], tiny_sdxl: Path) -> None:
    if "model" in values:
        values = {"model": tiny_sdxl}
    cat = make("a cat", negative_prompt="blurry", **values)
    assert difference(make("a cat AND a dog :0", negative_prompt="blurry", **values), cat) <= NEAR
    halves = "a cat :0.5 AND a cat :.5"
    assert difference(make(halves, negative_prompt="blurry", **values), cat) <= NEAR
    both = make("a cat AND a dog", negative_prompt="blurry", **values)
    assert difference(both, cat) > NEAR
    assert difference(make("a cat AND [a dog:a cow:1]", **values), both) > NEAR


def test_parts_of_different_length(make: Make) -> None:
    short = make("a cat AND a dog")
    long = make("a cat AND " + "a dog " * 40)
    assert difference(short, long) > NEAR


@pytest.mark.parametrize("prompt", ["a [cat:dog:1]", "a cat AND a dog :0.5"])
def test_pictures_of_a_batch_are_those_of_their_seeds(make: Make, prompt: str) -> None:
    last = make(prompt, num_images_per_prompt=2, seed=6)
    assert difference(last, make(prompt, seed=7)) <= NEAR


def test_init_images_and_parts(make: Make, tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "init.png")
    values = {"init_image": tmp_path / "init.png", "strength": 0.75}
    cat = make("a cat", **values)
    assert difference(make("a cat AND a dog :0", **values), cat) <= NEAR
    assert difference(make("a [cat:dog:1]", **values), cat) > NEAR


def test_samplers_of_second_order_count_their_calls(make: Make) -> None:
    """4 steps are 8 calls of which the schedule counts, as in A1111."""
    values: dict[str, Any] = {"sampler": "Heun"}
    half = make("a [cat:dog:.5]", **values)
    assert difference(half, make("a [cat:dog:4]", **values)) == 0
    assert difference(half, make("a [cat:dog:2]", **values)) > NEAR
    assert difference(make("a [cat:dog:8]", **values), make("a cat", **values)) == 0


@pytest.mark.parametrize("prompt", ["a [cat:dog:1]", "a cat AND a dog"])
def test_a_repeated_attempt_begins_anew(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, prompt: str
) -> None:
    request = make_request(tiny_sd1, prompt=prompt, num_inference_steps=4, guidance_scale=5)
    usual = generate(shared_engine, request)
    loaded = shared_engine.loaded
    assert loaded is not None
    generator = RobustStableDiffusionGenerator(shared_engine)
    calls: list[int] = []

    def fail_once(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise cuda_out_of_memory()

    hook = loaded.denoiser.register_forward_pre_hook(fail_once)
    try:
        again = generator.generate_with_fallback(request)
    finally:
        hook.remove()
    assert len(again.record.attempts) == 2
    assert difference(usual.images[0], again.images[0]) == 0
    assert not loaded.denoiser._forward_pre_hooks


def test_previews_show_the_combined_picture(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    def previews(prompt: str, **values: Any) -> list[numpy.ndarray[Any, Any]]:
        events = Events()
        generate(shared_engine, make_request(tiny_sd1, prompt=prompt, **values), report=events)
        return [
            numpy.frombuffer(event.rgb, dtype=numpy.uint8).astype(int)
            for event in events
            if isinstance(event, Preview)
        ]

    for guidance in (1, 5):
        values = {"guidance_scale": guidance, "num_inference_steps": 4}
        usual, parts = (previews(each, **values) for each in ("a cat", "a cat AND a dog :0"))
        assert len(usual) == len(parts) == 4
        for one, other in zip(usual, parts, strict=True):
            assert abs(one - other).max() <= NEAR
        both = previews("a cat AND a dog", **values)
        assert any(abs(one - other).max() > 0 for one, other in zip(usual, both, strict=True))


def test_weights_and_modes_change_pictures_and_are_recorded(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, make: Make
) -> None:
    plain = make("a red cat")
    assert difference(make("a (red:1) cat", prompt_syntax="plain"), plain) > 0
    assert difference(make("a # comment\nred cat"), plain) == 0
    pocket = {"model": Path(POCKET), "guidance_scale": 5}
    weighted = make("a (red:1.6) apple", **pocket)
    assert difference(make("a red apple", **pocket), weighted) > 0
    assert difference(make("a (red:1.6) apple", emphasis="no_norm", **pocket), weighted) > 0
    record = generate(
        shared_engine,
        make_request(tiny_sd1, prompt="a (b)", emphasis="no_norm", prompt_syntax="a1111"),
    ).record
    assert record.values()["emphasis"] == "no_norm"
    assert record.prompt == "a (b)"


def test_parts_count_in_the_estimate_of_memory(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    def passes(prompt: str) -> tuple[Pass, ...]:
        request = make_request(tiny_sd1, prompt=prompt)
        opened = open_sections(shared_engine.features, request)
        model = shared_engine.load(str(tiny_sd1), DType.FLOAT32)
        sections = sections_for(shared_engine.features, opened, model.description)
        active = ActiveFeatures.of(shared_engine.features, sections)
        return active.passes(Pass(resolve(request, model)))

    assert [each.prompts for each in passes("a cat AND a dog AND b")] == [3]
    assert [each.prompts for each in passes("a cat, sand")] == [1]
    model = shared_engine.loaded
    assert model is not None
    one, three = (
        estimate_run(model.description, DType.FLOAT32, 512, 512, prompts=count).denoise
        for count in (1, 3)
    )
    assert three == 2 * one
