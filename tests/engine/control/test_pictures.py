"""Pictures with ControlNets equal those of diffusers' own pipelines, pixel for pixel, in fp32."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    EulerAncestralDiscreteScheduler,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionPipeline,
)
from PIL import Image

from sdtui.core.errors import ModelDamagedError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Attached
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.faults import cuda_out_of_memory
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_controlnets import make_controlnet, make_union


@pytest.fixture(scope="module")
def engine(nets: Path) -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu", controlnet_folders=(nets,))) as engine:
        yield engine


def _request(model: Path, *controls: str, **values: Any) -> GenerationRequest:
    usual = {"num_inference_steps": 6, "seed": 42, "width": 128, "sampler": "Euler a"}
    return make_request(model, controls=controls, **{**usual, "guidance_scale": 6.0, **values})


def _plain(cls: Any, model: Path, nets: Any, **arguments: Any) -> Image.Image:
    """Return a picture made by diffusers alone."""
    pipeline = cls.from_pretrained(model, controlnet=nets, dtype=torch.float32)
    pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(42)
    usual = {"num_inference_steps": 6, "guidance_scale": 6.0}
    image = pipeline("a red cat", generator=generator, **{**usual, **arguments}).images[0]
    assert isinstance(image, Image.Image)
    return image


def test_picture_of_one_net_is_that_of_diffusers(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    plain = _plain(
        StableDiffusionControlNetPipeline,
        tiny_sd1,
        make_controlnet(tiny_sd1, 1),
        image=Image.open(picture),
        controlnet_conditioning_scale=0.8,
        control_guidance_start=0.2,
        control_guidance_end=0.7,
    )
    ours = generate(engine, _request(tiny_sd1, f"a:{picture}:0.8,start=0.2,end=0.7"))
    assert difference(ours.images[0], plain) == 0
    without = generate(engine, _request(tiny_sd1))
    assert difference(without.images[0], plain) > 0


def test_picture_of_two_nets_is_that_of_diffusers(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, tmp_path: Path
) -> None:
    other = Image.radial_gradient("L").resize((128, 64)).convert("RGB")
    other.save(tmp_path / "other.png")
    plain = _plain(
        StableDiffusionControlNetPipeline,
        tiny_sd1,
        [make_controlnet(tiny_sd1, 1), make_controlnet(tiny_sd1, 2)],
        image=[Image.open(picture), other],
        controlnet_conditioning_scale=[0.8, 0.5],
        control_guidance_end=[1.0, 0.5],
    )
    controls = (f"a:{picture}:0.8", f"b:{tmp_path / 'other.png'}:0.5,end=0.5")
    ours = generate(engine, _request(tiny_sd1, *controls))
    assert difference(ours.images[0], plain) == 0


def test_picture_of_sdxl_is_that_of_diffusers(
    engine: StableDiffusionEngine, tiny_sdxl: Path, picture: Path
) -> None:
    plain = _plain(
        StableDiffusionXLControlNetPipeline,
        tiny_sdxl,
        make_controlnet(tiny_sdxl, 3),
        image=Image.open(picture),
        controlnet_conditioning_scale=0.7,
    )
    ours = generate(engine, _request(tiny_sdxl, f"xl:{picture}:0.7"))
    assert difference(ours.images[0], plain) == 0


@pytest.mark.parametrize(
    ("pipeline", "model", "net", "seed"),
    [
        (StableDiffusionControlNetImg2ImgPipeline, "tiny_sd1", "a", 1),
        (StableDiffusionXLControlNetImg2ImgPipeline, "tiny_sdxl", "xl", 3),
    ],
)
def test_image_to_image_picture_is_that_of_diffusers(
    engine: StableDiffusionEngine,
    request: pytest.FixtureRequest,
    picture: Path,
    pipeline: Any,
    model: str,
    net: str,
    seed: int,
) -> None:
    folder: Path = request.getfixturevalue(model)
    plain = _plain(
        pipeline,
        folder,
        make_controlnet(folder, seed),
        image=Image.open(picture),
        control_image=Image.open(picture),
        strength=0.6,
        controlnet_conditioning_scale=0.9,
    )
    wanted = _request(folder, f"{net}::0.9", init_image=picture, strength=0.6)
    assert difference(generate(engine, wanted).images[0], plain) == 0


def test_picture_of_a_union_is_that_of_diffusers(
    engine: StableDiffusionEngine, tiny_sdxl: Path, picture: Path, tmp_path: Path
) -> None:
    net = make_union(tiny_sdxl)
    net.save_pretrained(tmp_path / "union")
    plain = _plain(
        StableDiffusionXLControlNetUnionPipeline,
        tiny_sdxl,
        net,
        control_image=Image.open(picture),
        control_mode=1,
        controlnet_conditioning_scale=0.8,
    )
    ours = generate(engine, _request(tiny_sdxl, f"{tmp_path / 'union'}:{picture}:0.8,type=depth"))
    assert difference(ours.images[0], plain) == 0


@pytest.mark.parametrize("mode", ["balanced", "prompt", "control"])
@pytest.mark.parametrize("guidance", [1.0, 6.0])
def test_pictures_of_a_batch_are_those_of_single_ones(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, mode: str, guidance: float
) -> None:
    control = f"a:{picture},mode={mode}"
    values = {"guidance_scale": guidance, "num_inference_steps": 3}
    several = generate(engine, _request(tiny_sd1, control, num_images_per_prompt=2, **values))
    second = generate(engine, _request(tiny_sd1, control, **{**values, "seed": 43}))
    assert difference(several.images[1], second.images[0]) <= 1  # batches round differently


def test_modes_make_different_pictures(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    pictures = [
        generate(engine, _request(tiny_sd1, f"a:{picture},mode={mode}")).images[0].tobytes()
        for mode in ("balanced", "prompt", "control")
    ]
    assert len(set(pictures)) == 3


def test_parts_of_a_prompt_and_deep_features_work_with_a_net(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    control = f"a:{picture},mode=control"
    wanted = _request(tiny_sd1, control, prompt="a cat AND a dog", guidance_rescale=0.5)
    assert generate(engine, wanted).error is None
    plain = generate(engine, wanted.changed(controls=()))
    assert difference(generate(engine, wanted).images[0], plain.images[0]) > 0
    assert generate(engine, wanted.changed(speed="fast")).error is None


def test_weight_of_zero_leaves_the_picture_as_it_is(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    plain = generate(engine, _request(tiny_sd1))
    ours = generate(engine, _request(tiny_sd1, f"a:{picture}:0"))
    assert difference(ours.images[0], plain.images[0]) == 0


def test_net_of_another_model_is_refused_before_it_is_loaded(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.unload()
    result = RobustStableDiffusionGenerator(engine).generate_with_fallback(
        _request(tiny_sd1, f"xl:{picture}")
    )
    assert isinstance(result.error, UnsupportedModelError)
    assert "the ControlNet xl is made for" in str(result.error)
    assert engine.loaded is None


def test_net_stays_loaded_between_jobs(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, nets: Path
) -> None:
    generate(engine, _request(tiny_sd1, f"a:{picture}"))
    assert engine.loaded is not None
    before = engine.loaded.controlnets[nets / "a.safetensors"]
    generate(engine, _request(tiny_sd1))
    generate(engine, _request(tiny_sd1, f"a:{picture}:0.5"))
    assert engine.loaded.controlnets[nets / "a.safetensors"] is before


def test_record_names_net_and_picture(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    record = generate(engine, _request(tiny_sd1, f"a:{picture}:0.5,mode=prompt")).record
    assert record.settings is not None
    (unit,) = record.settings.control_units
    assert (unit.net, unit.entry) == ("a", "a::0.5,mode=prompt")
    assert record.parents == (unit.image_sha256,)


@pytest.mark.parametrize("times", [1, 2])
def test_out_of_memory_in_a_net_is_recovered(
    engine: StableDiffusionEngine,
    tiny_sd1: Path,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    wanted = _request(tiny_sd1, f"a:{picture}", num_images_per_prompt=2)
    undisturbed = generate(engine, wanted)
    assert engine.loaded is not None
    (net,) = engine.loaded.controlnets.loaded
    calls = []

    def fail(*_: Any, **__: Any) -> None:
        calls.append(1)
        if len(calls) <= times:
            raise cuda_out_of_memory()

    handle = net.register_forward_pre_hook(fail)
    try:
        result = RobustStableDiffusionGenerator(engine).generate_with_fallback(wanted)
    finally:
        handle.remove()
    assert result.error is None
    assert len(result.record.attempts) == times + 1
    for ours, expected in zip(result.images, undisturbed.images, strict=True):
        assert difference(ours, expected) <= 1


def test_hooks_are_gone_after_an_error(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    generate(engine, _request(tiny_sd1, f"a:{picture}"))
    assert engine.loaded is not None
    assert not engine.loaded.denoiser._forward_pre_hooks


def test_damaged_net_is_named(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, nets: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(nets / "a.safetensors")
    del tensors["controlnet_mid_block.weight"]
    save_file(tensors, tmp_path / "damaged.safetensors")
    result = RobustStableDiffusionGenerator(engine).generate_with_fallback(
        _request(tiny_sd1, f"{tmp_path / 'damaged.safetensors'}:{picture}")
    )
    assert isinstance(result.error, ModelDamagedError)
    assert "lacks controlnet_mid_block.weight" in str(result.error)


def test_net_is_used_in_the_passes_that_its_entry_names(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    values = {"width": 64, "num_inference_steps": 3, "hires_scale": 2.0, "hires_strength": 0.6}
    pictures = [
        generate(engine, _request(tiny_sd1, *controls, **values)).images[0]
        for controls in (
            (),
            *((f"a:{picture},passes={passes}",) for passes in ("both", "first", "hires")),
        )
    ]
    assert {each.size for each in pictures} == {(128, 128)}
    assert len({each.tobytes() for each in pictures}) == 4


def test_net_works_where_a_part_is_made_anew(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, tmp_path: Path
) -> None:
    mask = Image.new("L", (128, 64))
    mask.paste(255, (0, 0, 64, 64))
    mask.save(tmp_path / "mask.png")
    values = {"init_image": picture, "mask_image": tmp_path / "mask.png", "mask_blur": 0}
    plain = generate(engine, _request(tiny_sd1, **values)).images[0]
    ours = generate(engine, _request(tiny_sd1, f"a:{picture}", **values)).images[0]
    assert difference(ours, plain) > 0
    right = (64, 0, 128, 64)
    original = Image.open(picture).convert("RGB").crop(right)
    assert difference(ours.crop(right), original) == 0


def test_map_of_the_last_pass_is_reported_once_for_each_size(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, events: Events
) -> None:
    control = f"a:{picture},preprocessor=canny"
    wanted = _request(tiny_sd1, control, width=64, hires_scale=2.0, num_images_per_prompt=2)
    RobustStableDiffusionGenerator(engine).generate_with_fallback(wanted, report=events)
    sizes = [Image.open(io.BytesIO(each.png)).size for each in events if isinstance(each, Attached)]
    assert sizes[-1] == (128, 128)
    assert set(sizes) == {(64, 64), (128, 128)}


def test_entry_without_a_picture_needs_an_init_image(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    result = RobustStableDiffusionGenerator(engine).generate_with_fallback(_request(tiny_sd1, "a"))
    assert "a needs a picture: write a:PICTURE" in str(result.error)
