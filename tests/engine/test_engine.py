"""The engine's events, records and errors."""

from __future__ import annotations

import math
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import (
    BrokenPictureError,
    CancelledError,
    ImageError,
    InvalidRequestError,
    UnsupportedModelError,
)
from sdtui.core.samplers import SAMPLERS, SCHEDULES
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Event, Loading, Preview, Step
from sdtui.requests.input_images import open_init_image
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request

_request = partial(make_request, num_inference_steps=4)


def test_open_values_take_native_ones_and_are_recorded(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    wanted = GenerationRequest(prompt="a cat", model=str(tiny_sd1), num_inference_steps=1)
    result = generate(shared_engine, wanted)
    settings = result.record.settings
    assert settings is not None
    assert (settings.width, settings.height) == (128, 128)
    assert settings.guidance_scale == 7.5
    assert settings.sampler == "DPM++ 2M Karras"
    assert result.record.seed is not None
    assert 0 <= result.record.seed < 2**32
    again = generate(shared_engine, wanted.changed(seed=result.record.seed))
    assert difference(result.images[0], again.images[0]) == 0


def test_remaining_time_covers_all_batches(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    generate(shared_engine, _request(tiny_sd1, num_images_per_prompt=9), report=events)
    steps = [event for event in events if isinstance(event, Step)]
    assert len({step.first_image for step in steps}) > 1
    for step in steps:
        behind = math.ceil((9 - step.first_image - step.batch_size) / step.batch_size)
        left = step.total - step.step + step.total * behind
        assert step.remaining == pytest.approx(left / step.it_per_second)


def test_a_step_event_for_every_step(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    generate(shared_engine, _request(tiny_sd1), report=events)
    steps = [event for event in events if isinstance(event, Step)]
    assert [(step.step, step.total) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(step.seconds > 0 and step.it_per_second > 0 for step in steps)
    assert steps[-1].remaining == 0
    assert all(step.memory_peak >= step.memory_now > 0 for step in steps)


def test_stages_are_reported_in_order(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    result = generate(shared_engine, _request(tiny_sd1), report=events)
    stages = [event.stage for event in events if event.kind == "stage"]
    assert stages == [Stage.LOAD, Stage.ENCODE, Stage.DENOISE, Stage.DECODE]
    assert set(result.record.timings) == {"load", "encode", "denoise", "decode"}


def test_same_prompt_with_another_seed_reuses_embeddings(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path
) -> None:
    generate(shared_engine, _request(tiny_sdxl))
    assert shared_engine.loaded is not None
    with failing(shared_engine.loaded, Stage.ENCODE, Fault(0)) as encoding:
        generate(shared_engine, _request(tiny_sdxl, seed=8))
        assert encoding.passes == 0
        generate(shared_engine, _request(tiny_sdxl, prompt="a blue cat"))
        assert encoding.passes > 0


def test_nothing_of_a_long_prompt_is_cut(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path
) -> None:
    long = "x" * 70 + " tail end"
    made = generate(shared_engine, _request(tiny_sdxl, prompt=long, negative_prompt=long))
    assert made.record.truncations == ()
    other = generate(shared_engine, _request(tiny_sdxl, prompt=long[:-1], negative_prompt=long))
    assert difference(made.images[0], other.images[0]) > 0


_LABELS = (
    *SAMPLERS,
    *(f"{name} Karras" for name, sampler in SAMPLERS.items() if sampler.takes_schedules),
    *(f"DPM++ 2M {schedule}" for schedule in SCHEDULES),
)
"""Each sampler alone and with a schedule, and each schedule."""


@pytest.mark.parametrize("from_picture", [False, True], ids=["txt2img", "img2img"])
@pytest.mark.parametrize("label", dict.fromkeys(_LABELS))
def test_every_sampler_makes_a_picture(
    shared_engine: StableDiffusionEngine,
    tiny_sd1: Path,
    tmp_path: Path,
    label: str,
    from_picture: bool,
) -> None:
    init: dict[str, object] = {}
    if from_picture:
        init = {"init_image": tmp_path / "init.png", "strength": 0.6}
        Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(tmp_path / "init.png")
    request = _request(tiny_sd1, sampler=label, num_inference_steps=5, **init)
    result = generate(shared_engine, request)
    assert result.record.settings is not None
    assert result.record.settings.sampler == label
    assert len(set(result.images[0].convert("L").tobytes())) > 10


def test_sampler_does_not_affect_the_next_run(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    fresh = generate(shared_engine, _request(tiny_sd1, sampler="DPM++ 2M")).images[0]
    generate(shared_engine, _request(tiny_sd1, sampler="DPM++ 2M SDE Karras"))
    again = generate(shared_engine, _request(tiny_sd1, sampler="DPM++ 2M")).images[0]
    assert difference(fresh, again) == 0


def test_previews_are_small_and_approach_the_picture(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    generate(shared_engine, _request(tiny_sd1, num_inference_steps=6), report=events)
    previews = [event for event in events if isinstance(event, Preview)]
    assert [preview.step for preview in previews] == [1, 2, 3, 4, 5, 6]
    assert all((preview.width, preview.height) == (8, 8) for preview in previews)
    assert all(len(preview.rgb) == 8 * 8 * 3 for preview in previews)


def test_previews_can_be_turned_off(tiny_sd1: Path, events: Events) -> None:
    with StableDiffusionEngine(Settings(device="cpu", previews=False)) as engine:
        generate(engine, _request(tiny_sd1), report=events)
    assert "preview" not in events.kinds()


def test_cancel_stops_within_a_step_and_skips_decoding(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    cancellation = Cancellation()
    steps: list[int] = []

    def report(event: Event) -> None:
        if isinstance(event, Step):
            steps.append(event.step)
            if event.step == 2:
                cancellation.stop_now()

    generate(shared_engine, _request(tiny_sd1))
    assert shared_engine.loaded is not None
    with (
        failing(shared_engine.loaded, Stage.DECODE, Fault(0)) as decoding,
        pytest.raises(CancelledError),
    ):
        generate(
            shared_engine,
            _request(tiny_sd1, num_inference_steps=20),
            report=report,
            cancellation=cancellation,
        )
    assert steps == [1, 2]
    assert decoding.passes == 0
    generate(shared_engine, _request(tiny_sd1))


def test_cancel_stops_loading(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    cancellation = Cancellation()
    components: list[str] = []

    def report(event: Event) -> None:
        if event.kind == "loading":
            components.append(event.component)
            cancellation.stop_now()

    with pytest.raises(CancelledError):
        engine.load(str(tiny_sd1), report=report, cancellation=cancellation)
    assert len(components) == 1
    assert engine.loaded is None


def test_stop_after_picture_keeps_finished_ones(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    cancellation = Cancellation()

    def report(event: Event) -> None:
        if isinstance(event, Step):
            cancellation.stop_after_picture()

    generator = RobustStableDiffusionGenerator(shared_engine)
    wanted = _request(tiny_sd1, num_images_per_prompt=10, num_inference_steps=1)
    result = generator.generate_with_fallback(wanted, report=report, cancellation=cancellation)
    assert isinstance(result.error, CancelledError)
    assert result.record.cancelled
    assert len(result.images) == 5  # those that were being made at once: half of them


def _nan(*_: Any) -> torch.Tensor:
    return torch.full((1, 3, 64, 64), float("nan"))


def test_decode_with_nan_is_repeated_in_float32(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    wanted = _request(tiny_sd1, dtype="bfloat16")
    generate(shared_engine, wanted)
    assert shared_engine.loaded is not None
    decoder = shared_engine.loaded.pipeline.vae.decoder
    handle = decoder.register_forward_hook(lambda *_: _nan())
    try:
        result = generate(shared_engine, wanted, report=events)
    finally:
        handle.remove()
    assert "float32" in result.record.notices[0]
    assert "notice" in events.kinds()
    sound = generate(shared_engine, wanted)
    assert difference(result.images[0], sound.images[0]) <= 8  # bfloat16 against float32


@pytest.mark.parametrize("value", [float("nan"), -1.0])
def test_decode_with_nan_in_float32_fails(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, value: float
) -> None:
    generate(shared_engine, _request(tiny_sd1))
    assert shared_engine.loaded is not None
    decoder = shared_engine.loaded.pipeline.vae.decoder
    handle = decoder.register_forward_hook(lambda *_: torch.full((1, 3, 64, 64), value))
    try:
        with pytest.raises(BrokenPictureError, match="black or holds NaN"):
            generate(shared_engine, _request(tiny_sd1))
    finally:
        handle.remove()


def test_nan_latents_have_their_own_error(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    generate(shared_engine, _request(tiny_sd1))
    assert shared_engine.loaded is not None
    handle = shared_engine.loaded.denoiser.register_forward_hook(
        lambda _, __, out: (out[0] * float("nan"),)
    )
    try:
        with pytest.raises(BrokenPictureError, match="denoiser") as caught:
            generate(shared_engine, _request(tiny_sd1))
    finally:
        handle.remove()
    assert caught.value.stage is Stage.DENOISE


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_init_images_of_every_color_mode_are_opened(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path, mode: str, fit: str
) -> None:
    path = tmp_path / ("init.tiff" if mode == "CMYK" else "init.png")
    Image.new(mode, (37, 91)).save(path)
    result = generate(
        shared_engine, _request(tiny_sd1, init_image=path, init_image_fit=fit, strength=0.5)
    )
    assert result.images[0].size == (64, 64)
    assert len(result.record.parents[0]) == 64


@pytest.mark.parametrize(
    "exif",
    [
        b"II*\0",
        # A description whose EXIF type is a number, which Pillow reads but can't write.
        b"Exif\0\0II*\0\x08\0\0\0\x02\0\x0e\x01\x05\0\x01\0\0\0\x26\0\0\0"
        b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0hello\0\0\0",
    ],
    ids=["short", "of a wrong kind"],
)
def test_init_image_with_damaged_exif_is_accepted(tmp_path: Path, exif: bytes) -> None:
    path = tmp_path / "init.jpg"
    Image.new("RGB", (64, 32), "red").save(path, exif=exif)
    assert open_init_image(path).image.width in (32, 64)


def test_strength_0_returns_the_init_image(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    path = tmp_path / "init.png"
    Image.new("RGB", (64, 64), "red").save(path)
    nothing, much = (
        generate(shared_engine, _request(tiny_sd1, init_image=path, strength=strength))
        for strength in (0.0, 1.0)
    )
    assert difference(nothing.images[0], much.images[0]) > 5


def test_wrong_init_image_is_refused_before_loading(
    engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    path = tmp_path / "init.png"
    path.write_text("no picture")
    with pytest.raises(ImageError, match="no picture of a known format"):
        generate(engine, _request(tiny_sd1, init_image=path))
    assert engine.loaded is None


def test_size_must_fit_the_vae_of_the_model(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shared_engine.load(str(tiny_sd1), GenerationRequest(prompt="x").execution.dtype)
    monkeypatch.setattr(model.pipeline, "vae_scale_factor", 16)
    with pytest.raises(InvalidRequestError, match="width: must be a multiple of 16"):
        generate(shared_engine, _request(tiny_sd1, dtype="auto", width=72))


def test_offload_modes_need_a_gpu(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="needs a GPU"):
        generate(engine, _request(tiny_sd1, memory_mode="model_offload"))


def test_next_model_replaces_the_last(
    engine: StableDiffusionEngine, tiny_sd1: Path, tiny_sdxl: Path
) -> None:
    first = generate(engine, _request(tiny_sd1)).images[0]
    second = generate(engine, _request(tiny_sdxl))
    assert second.record.model is not None
    assert second.record.model.family == "sdxl"
    again = generate(engine, _request(tiny_sd1)).images[0]
    assert difference(first, again) == 0


def test_last_model_is_freed_before_the_next_is_loaded(
    engine: StableDiffusionEngine, tiny_sd1: Path, tiny_sdxl: Path
) -> None:
    generate(engine, _request(tiny_sd1, num_inference_steps=1))
    last = weakref.ref(engine.loaded)
    is_there: list[bool] = []

    def report(event: Event) -> None:
        if isinstance(event, Loading):
            is_there.append(last() is not None)

    generate(engine, _request(tiny_sdxl, num_inference_steps=1), report=report)
    assert is_there
    assert not any(is_there)
