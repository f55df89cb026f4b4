"""Families whose pipelines run as a whole: accepted arguments are passed, others are reported."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline
from PIL import Image

from sdtui.core.errors import InvalidRequestError
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.events import Events
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_other_families import make_flux, make_latent_consistency


@pytest.fixture(scope="module")
def tiny_flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_flux(tmp_path_factory.mktemp("models") / "flux")


_request = partial(make_request, num_inference_steps=3, seed=1)


def test_flux_picture_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine, tiny_flux: Path, events: Events
) -> None:
    pipeline: Any = FluxPipeline.from_pretrained(tiny_flux, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    plain = pipeline(
        "a red cat",
        num_inference_steps=3,
        width=64,
        height=64,
        max_sequence_length=256,  # as FLUX.1 schnell, which this is, was trained
        generator=torch.Generator().manual_seed(1),
    ).images[0]
    result = generate(shared_engine, _request(tiny_flux, num_images_per_prompt=2), report=events)
    assert difference(result.images[0], plain) <= 1  # in a batch of two
    assert events.kinds().count("step") == 3
    assert set(result.record.timings) == {"load", "encode", "denoise", "decode"}


@pytest.mark.parametrize("negative", ["", "blurry"])
def test_true_cfg_of_flux_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine, tiny_flux: Path, negative: str
) -> None:
    pipeline: Any = FluxPipeline.from_pretrained(tiny_flux, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    plain = pipeline(
        "a red cat",
        negative_prompt=negative,
        true_cfg_scale=3.0,
        num_inference_steps=3,
        width=64,
        height=64,
        max_sequence_length=256,
        generator=torch.Generator().manual_seed(1),
    ).images[0]
    request = _request(tiny_flux, true_cfg_scale=3.0, negative_prompt=negative)
    result = generate(shared_engine, request)
    assert difference(result.images[0], plain) <= 1
    assert result.record.notices == ()
    assert result.record.values()["true_cfg_scale"] == 3


def test_negative_prompt_that_flux_ignores_is_reported(
    shared_engine: StableDiffusionEngine, tiny_flux: Path
) -> None:
    result = generate(shared_engine, _request(tiny_flux, negative_prompt="blurry"))
    assert "doesn't take negative_prompt" in result.record.notices[0]


def test_prompts_of_flux_are_taken_as_written_and_cut_at_the_limit(
    shared_engine: StableDiffusionEngine, tiny_flux: Path
) -> None:
    plain = generate(shared_engine, _request(tiny_flux, prompt="a (b:1.3) [c|d] # e AND f"))
    same = _request(tiny_flux, prompt="a (b:1.3) [c|d] # e AND f", prompt_syntax="plain")
    assert difference(plain.images[0], generate(shared_engine, same).images[0]) == 0
    assert not plain.record.notices
    mode = generate(shared_engine, _request(tiny_flux, prompt="a (b:1.3)", emphasis="no_norm"))
    assert any("doesn't take emphasis" in notice for notice in mode.record.notices)


def test_record_of_features_that_flux_does_not_take_has_what_was_done(
    shared_engine: StableDiffusionEngine, tiny_flux: Path
) -> None:
    asked = {"tiling": True, "guidance_rescale": 0.5, "clip_skip": 2, "emphasis": "ignore"}
    record = generate(shared_engine, _request(tiny_flux, **asked)).record
    assert len(record.notices) == len(asked)
    assert record.request.values() == record.request.values() | asked
    without = {"tiling": False, "guidance_rescale": 0, "clip_skip": None, "emphasis": "original"}
    assert record.values() == record.values() | without
    long = generate(shared_engine, _request(tiny_flux, prompt="x" * 70 + " tail end"))
    (cut,) = long.record.truncations
    # Each character is one token here: 70 + 4 + 1 fit.
    assert (cut.field, cut.encoder, cut.cut) == ("prompt", "text_encoder", "nd")


def test_flux_starts_from_an_init_image(
    shared_engine: StableDiffusionEngine, tiny_flux: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    result = generate(
        shared_engine, _request(tiny_flux, init_image=tmp_path / "red.png", strength=0.7)
    )
    assert result.images[0].size == (64, 64)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"sampler": "DPM++ 2M"}, "flow kind"), ({"width": 72}, "multiple of 16")],
)
def test_values_that_flux_cannot_use_are_refused(
    shared_engine: StableDiffusionEngine, tiny_flux: Path, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        generate(shared_engine, _request(tiny_flux, **values))


def test_fields_that_a_pipeline_ignores_are_reported(
    shared_engine: StableDiffusionEngine, tmp_path: Path, events: Events
) -> None:
    folder = make_latent_consistency(tmp_path / "lcm")
    result = generate(
        shared_engine,
        _request(folder, negative_prompt="blurry", num_inference_steps=2),
        report=events,
    )
    assert result.images[0].size == (64, 64)
    assert "doesn't take negative_prompt" in result.record.notices[0]
    assert "notice" in events.kinds()
